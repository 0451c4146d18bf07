"""The fast network against its plain form: outputs, losses and gradients, of images and of clips."""

import copy

import pytest
import torch

from tests.models.segmentors.test_lavt import batch, build, sample
from tests.plain.lavt import plain_form


def make(video):
    model = build(video).double()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and 'text_encoder' not in name:
            torch.nn.init.normal_(parameter, std=parameter[0].numel()**-0.5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    return model, plain_form(model)


def data_of(model, training=False):
    items = [sample((0, 1)), sample((2, ), frames=2, size=(36, 44)), sample((1, ), key_frames=[2])]
    data = batch(model, items, training)
    data['inputs']['img'].frames = data['inputs']['img'].frames.double()
    return data


@pytest.mark.parametrize('video', [False, True])
def test_outputs(video):
    model, plain = (form.eval() for form in make(video))
    with torch.no_grad():
        for got, want in zip(model.row_logits(**data_of(model)), plain.row_logits(**data_of(model)), strict=True):
            torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize('video', [False, True])
def test_losses_and_gradients(video):
    """In eval mode: rows of the plain form pass the batch norms one by one."""
    model, plain = (form.eval() for form in make(video))
    gradients = []
    for form in (model, plain):
        form.zero_grad()
        loss = form.loss(**copy.deepcopy(data_of(model, training=True)))['loss_ce']
        loss.backward()
        gradients.append([loss.detach(), *(p.grad.clone() for p in form.parameters())])
    for got, want in zip(*gradients, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-7, atol=1e-10)
