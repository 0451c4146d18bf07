"""The fast network against its plain form: outputs, losses and gradients, with every kind of backbone."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from tests.models.segmentors.test_referformer import SIZES, TEXTS, batch, build, sample
from tests.plain.referformer import plain_form

SWIN = dict(embed_dim=8, depths=(2, 2, 2, 2), num_heads=(1, 1, 2, 2), drop_path_rate=0.0)
BACKBONES = dict(
    resnet=dict(type='ResNetBackbone', depths=(1, 2, 1, 1), base_width=4, frozen_stages=-1),
    swin=dict(type='SwinBackbone', window_size=4, **SWIN),
    video_swin=dict(type='VideoSwinBackbone', window_size=(2, 4, 4), **SWIN))


def randomise(model):
    """Weights under which queries, levels, boxes and masks all differ."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and 'norm' not in name:
            torch.nn.init.normal_(parameter, std=1 / math.sqrt(parameter[0].numel()))
        elif 'bias' in name:
            torch.nn.init.normal_(parameter, std=0.1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return model


def make(backbone, dtype=torch.float64, **settings):
    """A tiny model without anything random in training, and its plain form; a backbone by name or by settings."""
    options = dict(
        transformer=dict(type='DeformableTransformer', channels=32, num_heads=4, encoder_layers=2, decoder_layers=2,
                         feedforward_channels=32, encoder_points=2, decoder_points=3, dropout=0.0),
        pixel_decoder=dict(type='CrossModalFPN', mask_channels=8, num_heads=4, feedforward_channels=32, dropout=0.0),
        text_dropout=0.0)
    backbone = BACKBONES[backbone] if isinstance(backbone, str) else backbone
    model = randomise(build(backbone=backbone, **{**options, **settings})).to(dtype)
    return model, plain_form(model)


def clips(dtype=torch.float64, frames=3):
    """Three clips of different sizes in one batch, one of them shorter than the others."""
    generator = torch.Generator().manual_seed(1)
    video = torch.randn(3, frames, 3, 64, 96, generator=generator, dtype=torch.float64)
    padding = torch.ones(3, frames, 64, 96, dtype=torch.bool)
    for clip, (height, width) in enumerate(SIZES):
        padding[clip, :frames - (clip == 1), :height, :width] = False
    return video.masked_fill(padding[:, :, None], 0).to(dtype), padding, SIZES


def in_double(text):
    return replace(text, words=text.words.double(), sentence=text.sentence.double())


def relative_errors(got, exact):
    """Largest error of every output by the largest value of it."""
    return {name: float((got[name].double() - value).abs().max() / value.abs().max()) for name, value in exact.items()}


@pytest.mark.parametrize('backbone', BACKBONES)
@torch.no_grad()
def test_outputs_are_equal(backbone):
    """The same numbers in float64; in float32 ours are as near to them as the plain form's, which round elsewhere."""
    forms = make(backbone, torch.float32)
    exact_forms = [copy.deepcopy(forms[0]).double()]
    exact_forms.append(plain_form(exact_forms[0]))
    text = forms[0].eval().text_encoder([*TEXTS, TEXTS[0]])
    rows = torch.tensor([2, 0, 0, 1])  # two expressions of one clip, not in order
    frames, padding, sizes = clips(torch.float32)
    ours, plain = (form.eval().forward_clip(frames, padding, sizes, text, rows) for form in forms)
    got, exact = (form.eval().forward_clip(frames.double(), padding, sizes, in_double(text), rows)
                  for form in exact_forms)
    assert set(exact) == set(got) == {'pred_logits', 'pred_boxes', 'pred_masks', 'reference_points'}
    assert all(exact[name].shape == value.shape for name, value in got.items())
    assert max(relative_errors(got, exact).values()) < 1e-12
    errors, bounds = relative_errors(ours, exact), relative_errors(plain, exact)
    for name, error in errors.items():
        assert error <= 4 * bounds[name] + 32 * torch.finfo(torch.float32).eps, (name, error, bounds[name])
    assert exact['pred_masks'].std() > 0.1 and exact['pred_boxes'].std(dim=3).max() > 1e-2


@torch.no_grad()
def test_outputs_without_padding_of_the_last_layer_and_of_key_frames():
    model, plain = make('video_swin')
    model.eval(), plain.eval()
    frames = torch.randn(2, 4, 3, 61, 90, dtype=torch.float64)
    padding, sizes = torch.zeros(2, 4, 61, 90, dtype=torch.bool), [(61, 90), (61, 90)]
    text, rows = model.text_encoder(TEXTS[:2]), torch.tensor([0, 1])
    for options in (dict(all_layers=False), dict(key_frames=torch.tensor([[1, 3], [2, 0]]))):
        want, got = (form.forward_clip(frames, padding, sizes, text, rows, **options) for form in (plain, model))
        assert max(relative_errors(got, want).values()) < 1e-12


def test_boxes_without_refinement_and_masks_without_coordinates():
    model, plain = make(
        'resnet', mask_head=dict(type='DynamicMaskHead', hidden_channels=4, relative_coordinates=False, mask_stride=2),
        transformer=dict(type='DeformableTransformer', channels=32, num_heads=4, encoder_layers=1, decoder_layers=2,
                         feedforward_channels=32, refine=False, dropout=0.0))
    model.eval(), plain.eval()
    with torch.no_grad():
        text = model.text_encoder(TEXTS)
        want, got = (form.forward_clip(*clips(), text, torch.arange(3)) for form in (plain, model))
    assert max(relative_errors(got, want).values()) < 1e-12


@pytest.mark.parametrize('backbone', BACKBONES)
def test_losses_and_gradients_are_equal(backbone):
    losses, gradients = [], []
    for form in make(backbone):
        form.train()
        form.text_encoder.eval()  # its dropout
        samples = [sample((0, 1)), sample((2, ), size=(50, 70))]
        data = batch(form, samples, True)
        data['inputs']['img'].frames = data['inputs']['img'].frames.double()
        form.zero_grad()
        found = form(**data, mode='loss')
        sum(found.values()).backward()
        losses.append({name: float(value.detach()) for name, value in found.items()})
        gradients.append({name: p.grad.clone() for name, p in form.named_parameters() if p.grad is not None})
    assert losses[0] == pytest.approx(losses[1], rel=1e-9, abs=1e-10) and len(losses[0]) == 10
    assert set(gradients[0]) == set(gradients[1])
    for name, value in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], value, rtol=1e-7, atol=1e-9 * max(1, float(value.abs().max())))
    weight = next(name for name in gradients[0] if name.startswith('backbone'))
    assert float(gradients[0][weight].abs().max()) > 0


def test_weights_are_shared_and_nothing_else():
    model, plain = make('resnet')
    assert all(a is b for a, b in zip(model.parameters(), plain.parameters(), strict=True))
    assert all(a is b for a, b in zip(model.buffers(), plain.buffers(), strict=True))
    model.eval()
    assert plain.training and plain.transformer.training and not model.transformer.training
