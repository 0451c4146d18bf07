"""LAVT under a compiler, an exporter and autocast."""

import pytest
import torch
from torch import nn

from mmlvs.models.text_encoders import TextFeatures
from tests.models.segmentors.test_lavt import build

SELECTED = [pytest.param(False, marks=pytest.mark.slow), True]  # recording a network takes seconds however small it is


class Network(nn.Module):
    """The network behind the text encoder as one function of tensors."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, frames, words, mask, clip_of):
        text = TextFeatures(words=words, sentence=words[:, 0], mask=mask)
        return self.model.forward_clip(frames, text, clip_of)


def example(video):
    model = build(video).eval()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and 'text_encoder' not in name:
            nn.init.normal_(parameter, std=parameter[0].numel()**-0.5)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    return Network(model).eval(), (torch.randn(1, 2, 3, 40, 52), torch.randn(2, 5, 16), mask, torch.tensor([0, 0]))


@pytest.mark.slow
@pytest.mark.parametrize('video', [False, True])
def test_one_graph(video):
    network, inputs = example(video)
    with torch.no_grad():
        want = network(*inputs)
        got = torch.compile(network, backend='aot_eager', fullgraph=True)(*inputs)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('video', SELECTED)
def test_export(video):
    network, inputs = example(video)
    with torch.no_grad():
        program = torch.export.export(network, inputs, strict=False)
        other = (torch.randn_like(inputs[0]), torch.randn_like(inputs[1]), *inputs[2:])
        torch.testing.assert_close(program.module()(*other), network(*other), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('video', [False, True])
def test_autocast(video):
    network, inputs = example(video)
    with torch.no_grad():
        want = network(*inputs)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            got = network(*inputs)
    assert got.isfinite().all() and (got - want).abs().mean() < 0.15 * want.abs().mean()
    network.train()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = network(*inputs).float().square().mean()
    loss.backward()
    assert all(p.grad.isfinite().all() for p in network.model.backbone.parameters())
