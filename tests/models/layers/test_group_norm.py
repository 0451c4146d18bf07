import torch
from torch import nn

from mmlvs.models.layers.group_norm import GroupNorm


def both(dtype=torch.float64):
    torch.manual_seed(0)
    ours, theirs = GroupNorm(4, 12).to(dtype), nn.GroupNorm(4, 12).to(dtype)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 12, 9, 14, dtype=dtype) + 300 * torch.randn(2, 12, 1, 1, dtype=dtype)
    return ours, theirs, x


def test_results_and_gradients_are_those_of_torch_in_every_memory_format():
    ours, theirs, x = both()
    cotangent = torch.randn_like(x)
    for form in (x, x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3)):
        found = []
        for norm in (ours, theirs):
            leaf = form.detach().clone(memory_format=torch.preserve_format).requires_grad_()
            out = norm(leaf)
            out.backward(cotangent.view_as(out))
            found.append((out.detach(), leaf.grad))
        for got, want in zip(*found, strict=True):
            torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10)


@torch.no_grad()
def test_channels_last_are_as_exact_as_others():
    """Means of groups far from 0: error of float32 against float64, in the same numbers."""
    ours, theirs, x = both(torch.float32)
    exact = both()[1]
    exact.load_state_dict(theirs.state_dict())
    want = exact(x.double())
    contiguous, last = (float((ours(form).double() - want).abs().max() / want.abs().max())
                        for form in (x, x.contiguous(memory_format=torch.channels_last)))
    assert last < 4 * contiguous < 1e-3


def test_state_is_that_of_torch():
    assert GroupNorm(2, 4).state_dict().keys() == nn.GroupNorm(2, 4).state_dict().keys()
