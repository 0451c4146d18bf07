import pytest
import torch

from mmlvs.models.layers import MLP


def test_relu_stands_between_layers_only():
    mlp = MLP(in_channels=1, hidden_channels=1, out_channels=1, num_layers=2)
    for layer in mlp.layers:
        torch.nn.init.constant_(layer.weight, -1.0)
        torch.nn.init.zeros_(layer.bias)
    x = torch.tensor([[2.0], [-3.0]])
    assert mlp(x).flatten().tolist() == [0.0, -3.0]  # relu(-2) = 0; relu(3) = 3, then negated and not cut


def test_widths():
    mlp = MLP(in_channels=3, hidden_channels=5, out_channels=7, num_layers=3)
    assert [tuple(layer.weight.shape) for layer in mlp.layers] == [(5, 3), (5, 5), (7, 5)]
    assert mlp(torch.zeros(2, 4, 3)).shape == (2, 4, 7)


def test_refuses_no_layers():
    with pytest.raises(ValueError, match='num_layers 0'):
        MLP(in_channels=1, hidden_channels=1, out_channels=1, num_layers=0)
