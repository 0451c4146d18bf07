"""Projection of features."""

import torch

from mmlvs.models.layers import FeatureResizer


def test_linear_then_norm_then_dropout():
    torch.manual_seed(0)
    resizer = FeatureResizer(in_channels=6, out_channels=4, dropout=0.5).double()
    features = torch.randn(3, 5, 6, dtype=torch.float64)
    projected = features @ resizer.fc.weight.T + resizer.fc.bias
    centred = projected - projected.mean(-1, keepdim=True)
    want = centred / (centred.square().mean(-1, keepdim=True) + 1e-12).sqrt()
    torch.testing.assert_close(resizer.eval()(features), want, rtol=0, atol=1e-9)
    dropped = resizer.train()(features) == 0
    assert 0 < dropped.sum() < dropped.numel()
