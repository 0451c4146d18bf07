"""What the mask decoder of LAVT keeps for inference."""

import copy
import io

import pytest
import torch
from torch import nn

from mmlvs.models.decoders.top_down_mask_decoder import ConvBNReLU, TopDownMaskDecoder


def layer(channels=128, **settings):
    torch.manual_seed(0)
    module = ConvBNReLU(in_channels=channels, out_channels=128, **settings)
    module[1].running_mean.normal_()
    module[1].running_var.uniform_(0.5, 2)
    return module.eval()


def close(found, module, x):
    with torch.enable_grad():
        want = nn.Sequential.forward(module, x).detach()
    return (found - want).abs().max() <= 1e-4 * want.abs().max()


@pytest.mark.parametrize('change', [
    lambda m: m[0].weight.mul_(2), lambda m: m[1].running_mean.add_(1), lambda m: m[1].weight.zero_(),
    lambda m: m.load_state_dict({name: value + 1 for name, value in m.state_dict().items()}), lambda m: m.double(),
    lambda m: m[0].weight.__setattr__('data', torch.ones_like(m[0].weight))])
def test_kept_kernels_follow_the_weights(change):
    module, x = layer(), torch.randn(1, 128, 28, 32)
    with torch.no_grad():
        for _ in range(2):
            assert close(module(x), module, x)
        assert module._kept[2]  # by tiles
        first = module._kept
        module(x)
        assert module._kept is first
        change(module)
        x = x.to(module[0].weight.dtype)
        assert close(module(x), module, x) and module._kept is not first


@pytest.mark.parametrize('training', [True, False])
def test_a_training_step_between_two_tests(training):
    module, x = layer(), torch.randn(1, 128, 28, 28)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1, fused=True)
    with torch.no_grad():
        before = module(x)
    if training:
        module.train()
    module(x).square().mean().backward()
    optimizer.step()
    if training:
        module.eval()
    with torch.no_grad():
        after = module(x)
        assert close(after, module, x)
    assert (after - before).abs().max() > 0.1


def test_copies_and_files_do_not_hold_what_is_kept():
    module, x = layer(), torch.randn(1, 128, 28, 28)
    with torch.inference_mode():
        want = module(x)
    assert module._kept is not None and copy.deepcopy(module)._kept is None
    file = io.BytesIO()
    torch.save(module, file)
    assert file.tell() < 1.2 * 4 * sum(value.numel() for value in module.state_dict().values())
    assert not any('kept' in name for name in module.state_dict())
    with torch.no_grad():  # what inference mode has kept serves others
        torch.testing.assert_close(module(x), want, rtol=1e-4, atol=1e-4)
    module.train()(x).mean().backward()


def test_decoder_of_wide_maps_is_the_same_with_gradients():
    torch.manual_seed(0)
    maps = [torch.randn(2, width, side, side + 3) for width, side in ((128, 32), (256, 16), (512, 8))]
    decoder = TopDownMaskDecoder(in_channels=(128, 256, 512)).eval()
    with torch.no_grad():
        found = decoder(maps)
    torch.testing.assert_close(found, decoder(maps).detach(), rtol=1e-4, atol=1e-4)
