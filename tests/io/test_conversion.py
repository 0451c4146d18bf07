import pytest
import torch

from mmlvs.io.conversion import ConversionError, Drop, Keep, Rule, convert_state_dict, rename

RULES = (Rule(r'old\.(\d+)\.(weight|bias)', r'new.\1.\2'), Rule(r'kernel', 'patch', lambda x: x.sum(dim=1)),
         Rule(r'.*\.index', Drop('derived')))


def _source():
    return {'old.0.weight': torch.ones(2, 3), 'old.0.bias': torch.zeros(2), 'kernel': torch.ones(4, 2, 5),
            'attention.index': torch.zeros(9)}


def _target(device='cpu'):
    shapes = {'new.0.weight': (2, 3), 'new.0.bias': (2, ), 'patch': (4, 5), 'extra': (1, )}
    return {name: torch.empty(shape, device=device) for name, shape in shapes.items()}


KEEP = (Keep('extra', 'made by us'), )


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_renames_changes_drops_and_keeps(device):
    outcome = convert_state_dict(_source(), RULES, _target(device), KEEP)
    assert set(outcome.state_dict) == {'new.0.weight', 'new.0.bias', 'patch'}
    assert torch.equal(outcome.state_dict['patch'], torch.full((4, 5), 2.0))
    assert outcome.dropped == {'attention.index': 'derived'} and outcome.kept == {'extra': 'made by us'}
    assert outcome.summary().splitlines() == ['3 tensors converted, 1 dropped, 1 kept', '  dropped 1: derived',
                                              '  kept 1: made by us']


def test_the_first_matching_rule_counts_and_must_match_the_whole_name():
    rules = (Rule('a', 'first'), Rule('a.*', 'second'))
    assert rename('a', rules)[0] == 'first' and rename('ab', rules)[0] == 'second' and rename('ba', rules) is None


@pytest.mark.parametrize('change, message', [
    (lambda s: s.update({'unheard': torch.zeros(1)}), r"no rule for 'unheard'"),
    (lambda s: s.update({'old.1.weight': torch.zeros(1)}),
     r"becomes 'new.1.weight', which .* \(nearest: 'new.0.weight'\)"),
    (lambda s: s.update({'old.0.bias': torch.zeros(3)}), r"'old.0.bias' has shape \(3,\), 'new.0.bias' expects \(2,\)"),
    (lambda s: s.pop('kernel'), r"nothing fills 'patch' \(4, 5\)"),
])
def test_every_misfit_is_an_error(change, message):
    source = _source()
    change(source)
    with pytest.raises(ConversionError, match=message):
        convert_state_dict(source, RULES, _target(), KEEP)


def test_two_sources_for_one_target():
    rules = (*RULES, Rule('copy', 'patch'))
    with pytest.raises(ConversionError, match="'kernel' and 'copy' both become 'patch'"):
        convert_state_dict({**_source(), 'copy': torch.ones(4, 5)}, rules, _target(), KEEP)


def test_many_problems_are_counted_and_a_few_shown():
    source = {f'x{i}': torch.zeros(1) for i in range(30)}
    with pytest.raises(ConversionError) as caught:
        convert_state_dict(source, (), {})
    lines = str(caught.value).splitlines()
    assert lines[0].startswith('30 problems') and len(lines) == 12 and lines[-1].strip() == 'and 20 more'
