import pytest
import torch
from torch import nn

from mmlvs.models.layers.recompute import run_layer


class Layer(nn.Module):
    """Counts its passes; draws dropout and has running statistics."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
        self.passes = 0

    def forward(self, x, scale):
        self.passes += 1
        return self.layers(x) * scale


def run(with_cp, train=True):
    torch.manual_seed(0)
    layer, x = Layer().double().train(train), torch.randn(8, 3, dtype=torch.float64, requires_grad=True)
    y = run_layer(layer, x, 2.0, with_cp=with_cp)
    y.square().sum().backward()
    return layer, x.grad, y.detach()


def test_results_gradients_and_statistics_are_the_same():
    (plain, gradient, result), (layer, other, found) = run(False), run(True)
    assert (plain.passes, layer.passes) == (1, 2)
    assert torch.equal(result, found) and torch.equal(gradient, other)
    for name, value in plain.state_dict().items():
        assert torch.equal(layer.state_dict()[name], value), name
    for (name, p), q in zip(plain.named_parameters(), layer.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad), name
    assert int(layer.layers[1].num_batches_tracked) == 1


@pytest.mark.parametrize(('train', 'grad'), [(False, True), (True, False)])
def test_nothing_is_recomputed_outside_of_training(train, grad):
    layer = Layer().train(train)
    with torch.set_grad_enabled(grad):
        y = run_layer(layer, torch.ones(2, 3), 1.0, with_cp=True)
    if grad:
        y.sum().backward()
    assert layer.passes == 1
