"""``torch.compile`` and ``torch.export`` take the whole network of a batch of clips, without a graph break.

Recording a network takes seconds however small it is: the default suite compiles and exports one, with Video Swin;
other backbones, gradients, free sizes and machine code (a C++ compiler) are slow tests.
"""

import pytest
import torch

from mmlvs.models import PerClipNetwork
from tests.models.segmentors.test_referformer import TEXTS
from tests.plain.test_referformer import clips, make

SWIN = dict(embed_dim=8, depths=(1, 2, 1, 1), num_heads=(1, 1, 2, 2), drop_path_rate=0.0)
BACKBONES = dict(
    resnet=dict(type='ResNetBackbone', depths=(1, 1, 1, 1), base_width=4, frozen_stages=-1),
    swin=dict(type='SwinBackbone', window_size=4, **SWIN),
    video_swin=dict(type='VideoSwinBackbone', window_size=(2, 4, 4), **SWIN))
DEFAULT = ('video_swin', )
SELECTED = [pytest.param(name, marks=() if name in DEFAULT else pytest.mark.slow) for name in BACKBONES]


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@torch.no_grad()
def network_and_inputs(backbone, dtype=torch.float64):
    """A tiny network, and three padded clips that four expressions ask about."""
    transformer = dict(type='DeformableTransformer', channels=32, num_heads=4, encoder_layers=1, decoder_layers=2,
                       feedforward_channels=32, encoder_points=2, decoder_points=3, dropout=0.0)
    model, _ = make(BACKBONES[backbone], dtype, transformer=transformer)
    frames, padding, sizes = clips(dtype, frames=2)
    text = model.eval().text_encoder([*TEXTS, TEXTS[0]])
    inputs = (frames, padding, torch.tensor(sizes), text.words, text.sentence, text.mask, torch.tensor([2, 0, 0, 1]))
    return PerClipNetwork(model, all_layers=True), inputs


def assert_equal(got, want, tolerance=1e-12):
    """Equal to a part of the largest value of every output."""
    assert set(got) == set(want)
    for name, value in want.items():
        torch.testing.assert_close(got[name], value, rtol=0, atol=tolerance * float(value.abs().max()), msg=name)


@torch.no_grad()
@pytest.mark.parametrize('backbone', SELECTED)
def test_compiles_as_one_graph(backbone):
    network, inputs = network_and_inputs(backbone)
    compiled = torch.compile(network, backend='aot_eager', fullgraph=True)
    assert_equal(compiled(*inputs), network(*inputs))


@pytest.mark.slow  # minutes
@torch.no_grad()
@pytest.mark.parametrize('backbone', DEFAULT)
def test_compiles_to_machine_code(backbone):
    network, inputs = network_and_inputs(backbone)
    rounding = torch.finfo(torch.float32).eps  # position encodings are float32 in every network
    assert_equal(torch.compile(network, fullgraph=True)(*inputs), network(*inputs), tolerance=rounding)


@pytest.mark.slow
@pytest.mark.parametrize('backbone', ['resnet', *DEFAULT])
def test_compiled_training_step_has_the_same_gradients(backbone):
    network, inputs = network_and_inputs(backbone)
    network.train()  # nothing of it is random
    parameters = [p for p in network.model.parameters() if p.requires_grad]
    gradients = []
    for form in (network, torch.compile(network, backend='aot_eager', fullgraph=True)):
        outputs = form(*inputs)
        total = sum(value.square().mean() for value in outputs.values())
        gradients.append(torch.autograd.grad(total, parameters, allow_unused=True))
    assert sum(g is not None for g in gradients[0]) > 100
    largest = max(float(g.abs().max()) for g in gradients[0] if g is not None)
    for want, got in zip(*gradients, strict=True):
        assert (want is None) == (got is None)
        if want is not None:
            torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-12 * largest)


@torch.no_grad()
@pytest.mark.parametrize('backbone', SELECTED)
def test_exports(backbone, tmp_path):
    network, inputs = network_and_inputs(backbone)
    program = torch.export.export(network, inputs, strict=False)
    torch.export.save(program, tmp_path / 'network.pt2')
    loaded = torch.export.load(tmp_path / 'network.pt2').module()
    assert_equal(loaded(*inputs), network(*inputs))


@pytest.mark.slow
@torch.no_grad()
def test_exports_with_free_sizes():
    model, _ = make(BACKBONES['resnet'])
    network, text = PerClipNetwork(model.eval()), model.text_encoder(TEXTS[:2])
    clip_of = torch.tensor([0, 0])
    inputs = network.example(torch.randn(1, 3, 3, 130, 170).double(), text, clip_of)
    program = torch.export.export(network, inputs, dynamic_shapes=network.dynamic_shapes(), strict=False).module()
    for frames, height, width in ((3, 130, 170), (2, 140, 220), (5, 175, 201)):
        video = torch.randn(1, frames, 3, height, width).double()
        other = network.example(video, model.text_encoder(TEXTS[1:]), clip_of)
        assert_equal(program(*other), network(*other))
