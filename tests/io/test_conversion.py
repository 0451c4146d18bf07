import pytest
import torch

from mmlvs.io.conversion import (
    OURS,
    ConversionError,
    Drop,
    Keep,
    Rule,
    WeightFormat,
    convert_state_dict,
    nested,
    rename,
    weights_of,
)

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
     r"not known: new.1.weight \(1,\) \(from old.1.weight\) \(nearest: 'new.0.weight'\)"),
    (lambda s: s.update({'old.0.bias': torch.zeros(3)}), r'shape of new.0.bias: expected \(2,\), found \(3,\) \('),
    (lambda s: s.update({'old.0.bias': torch.zeros(2).long()}), r'expected \(2,\), found \(2,\) torch.int64'),
    (lambda s: s.pop('kernel'), r'missing: patch \(4, 5\)'),
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


def test_rules_for_a_part_of_a_larger_network():
    rules = nested((Rule(r'a|b\.(.*)', r'c.\1'), Rule('copy', Drop('again', same_as='c.0'))), r'theirs\.', 'ours.')
    assert rename('theirs.b.0', rules)[0] == 'ours.c.0' and rename('b.0', rules) is None
    assert rename('theirs.copy', rules)[0] == Drop('again', same_as='ours.c.0')


@pytest.mark.parametrize('copy, message', [
    (torch.ones(2, 3), None),
    (torch.empty(2, 3, device='meta'), None),
    (torch.zeros(2, 3), "second name of 'new.0.weight', but holds other values"),
    (torch.ones(3, 2), "second name of 'new.0.weight', but holds other values"),
])
def test_second_names_must_hold_the_same_values(copy, message):
    rules = (*RULES, Rule(r'again\.(.*)', Drop('second name', same_as=r'new.\1')))
    source = {'again.0.weight': copy, **_source()}
    if message is None:
        assert convert_state_dict(source, rules, _target(), KEEP).dropped['again.0.weight'] == 'second name'
    else:
        with pytest.raises(ConversionError, match=message):
            convert_state_dict(source, rules, _target(), KEEP)
    with pytest.raises(ConversionError, match="second name of 'new.7', which nothing fills"):
        convert_state_dict({'again.7': copy, **_source()}, rules, _target(), KEEP)


def test_counters_become_zeros():
    keep = (Keep('extra', 'counts anew', zeros=True), )
    outcome = convert_state_dict(_source(), RULES, _target('meta'), keep)
    assert torch.equal(outcome.state_dict['extra'], torch.zeros(1)) and outcome.kept == {'extra': 'counts anew'}
    assert outcome.summary().startswith('3 tensors converted, 1 dropped, 1 kept')


def test_skipped_names_stay_fresh_whatever_the_source_holds():
    source = {**_source(), 'old.0.bias': torch.zeros(99)}
    outcome = convert_state_dict(source, RULES, _target(), KEEP, skip=[r'new\.0\.b.*'])
    assert 'new.0.bias' not in outcome.state_dict
    assert 'old.0.bias' in outcome.dropped and 'new.0.bias' in outcome.kept
    source.pop('old.0.bias')
    assert 'new.0.bias' in convert_state_dict(source, RULES, _target(), KEEP, skip=[r'new\.0\.b.*']).kept
    with pytest.raises(ConversionError, match="skip 'new.0.bais' matches no tensor .* \\(nearest: 'new.0.bias'\\)"):
        convert_state_dict(_source(), RULES, _target(), KEEP, skip=['new.0.bais'])


def test_wrapping_of_files():
    state = {'module.conv1.weight': torch.ones(1), 'epoch': 3}
    for wrapped in (state, {'model': state}, {'state_dict': state, 'model': {}}):
        assert list(weights_of(wrapped)) == ['conv1.weight']
    for nothing, found in (({}, r'entries \[\]'), ({'model': {'epoch': 3}}, "'epoch'"), ([1], 'list'), (None, 'None')):
        with pytest.raises(ConversionError, match=f'expected weights by name.*{found}'):
            weights_of(nothing)


def test_a_format_takes_its_part_out_of_a_larger_network():
    form = WeightFormat(name='x', about='x', part='text_encoder', rules=(Rule('(.*)', r'ours.\1'), ),
                        prefixes=('first.', 'second.'), settings=lambda state: {'width': len(state['ours.a'])})
    content = {'model': {'second.a': torch.ones(2), 'head': torch.ones(1)}}
    outcome = form.convert(content, {'ours.a': torch.empty(2)})
    assert list(outcome.state_dict) == ['ours.a']
    assert outcome.dropped == {'head': "not under 'second.', so not of the text encoder"}
    assert form.recognise(content) == {'width': 2}
    with pytest.raises(ConversionError, match="nothing in the file becomes 'ours.a'.*such as .'head'"):
        form.recognise({'head': torch.ones(1)})
    with pytest.raises(ConversionError, match='name a config'):
        OURS.recognise(content)
