import json

import pytest
import torch
from torch import nn

from mmlvs.utils.flops import count_flops
from tests.tools.loading import TINY, load_tool


@pytest.fixture(scope='module')
def tool():
    return load_tool('analysis_tools/get_flops.py')


class Parts(nn.Module):
    """A model whose operations can be counted by hand."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.attention = nn.MultiheadAttention(8, 2, bias=False, batch_first=True)
        self.head = nn.ModuleList([nn.Linear(8, 5, bias=False)])  # called through its members only
        self.small = nn.Linear(8, 8, bias=False)
        self.small.requires_grad_(False)

    def forward(self):
        self.backbone(torch.zeros(1, 3, 10, 12))
        x = torch.zeros(1, 7, 8)
        x = self.attention(x, x, x, need_weights=False)[0]
        self.head[0](self.small(x))


def test_counts_by_hand():
    costs = count_flops(Parts().eval(), Parts(), ['head'])
    assert costs['head'].flops == 0  # the counted model did not run
    model = Parts().eval()
    costs = count_flops(model, model, ['backbone', 'attention', 'head'])
    assert costs['backbone'].flops == 2 * 3 * 9 * 4 * 10 * 12
    assert costs['attention'].flops == 2 * 7 * 8 * 8 * 4 + 2 * 2 * 7 * 7 * 8  # four projections, two products
    assert costs['head'].flops == 2 * 7 * 8 * 5
    assert costs['rest'].flops == 2 * 7 * 8 * 8
    assert (costs['rest'].parameters, costs['rest'].trainable) == (64, 0)
    assert (costs['head'].parameters, costs['head'].trainable) == (40, 40)


def test_attention_of_a_cpu_is_counted():
    class Attention(nn.Module):
        def forward(self):
            x = torch.zeros(2, 4, 16, 32)
            nn.functional.scaled_dot_product_attention(x, x, x)

    model = Attention()
    assert count_flops(model, model, [])['rest'].flops == 2 * 2 * (2 * 4) * 16 * 16 * 32


def test_unknown_part():
    with pytest.raises(ValueError, match="no parts \\['neck'\\]"):
        count_flops(Parts(), lambda: None, ['neck'])


def test_more_texts_cost_nothing_in_the_backbone(tool, tmp_path, capsys):
    costs = []
    for texts in (1, 3):
        out = tmp_path / f'{texts}.json'
        assert tool.main([str(TINY), '--shape', '2', '64', '96', '--texts', str(texts), '--json', str(out)]) == 0
        costs.append(json.loads(out.read_text())['parts'])
    text = capsys.readouterr().out
    assert 'GFLOPs' in text and 'in all' in text and 'Not counted' in text
    one, three = costs
    for part in ('backbone', 'text_encoder', 'transformer', 'pixel_decoder', 'mask_head', 'rest'):
        assert one[part]['flops'] > 0, part
        assert one[part]['parameters'] == three[part]['parameters']
    assert one['backbone']['flops'] == three['backbone']['flops']
    assert three['text_encoder']['flops'] == pytest.approx(3 * one['text_encoder']['flops'], rel=1e-6)
    # the places of the queries are made once, whatever is asked
    assert three['transformer']['flops'] == pytest.approx(3 * one['transformer']['flops'], rel=1e-4)


def test_errors(tool, capsys):
    assert tool.main(['no/config.py']) == 1
    assert 'there is no config at no/config.py' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool.main([str(TINY), '--texts', '0'])
