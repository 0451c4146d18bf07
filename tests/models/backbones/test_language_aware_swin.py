"""Swin with words after every stage."""

import pytest
import torch

from mmlvs.models.backbones.language_aware_swin import LanguageAwareSwin
from mmlvs.registry import MODELS

TINY = dict(embed_dim=8, depths=(2, 1, 1, 1), num_heads=(1, 2, 2, 4), drop_path_rate=0.0)
IMAGE = dict(type='SwinBackbone', window_size=4, **TINY)
VIDEO = dict(type='VideoSwinBackbone', window_size=(2, 4, 4), out_norm=True, **TINY)
RELEASED = dict(type='PixelWordAttention', variant='separable', kernels=dict(temporal=(3, 3, 3)), attended='separable',
                fused='separable')


def make(swin=IMAGE, fusion=None, **settings):
    torch.manual_seed(0)
    fusion = fusion or dict(type='PixelWordAttention')
    backbone = MODELS.build(dict(type='LanguageAwareSwin', swin=swin, fusion=fusion, text_channels=6, **settings))
    for parameter in backbone.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return backbone.double().eval()


def inputs(clips=2, frames=3, expressions=3):
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(4)[None] < torch.tensor([4, 2, 3])[:expressions, None]
    return (torch.randn(clips, frames, 3, 44, 60, generator=generator, dtype=torch.float64),
            torch.randn(expressions, 4, 6, generator=generator, dtype=torch.float64), mask)


def run(backbone, frames, words, mask, clip_of):
    with torch.no_grad():
        return backbone(frames, words, mask, torch.tensor(clip_of))


@pytest.mark.parametrize(('swin', 'fusion'), [(IMAGE, None), (VIDEO, RELEASED)])
def test_rows_are_their_clips_and_expressions_alone(swin, fusion):
    backbone, (frames, words, mask) = make(swin, fusion), inputs()
    clip_of = [1, 0, 1]
    together = run(backbone, frames, words, mask, clip_of)
    shapes = [(3, 3, 8, 11, 15), (3, 3, 16, 6, 8), (3, 3, 32, 3, 4), (3, 3, 64, 2, 2)]
    assert [tuple(x.shape) for x in together] == shapes
    assert backbone.out_channels == (8, 16, 32, 64) and backbone.out_strides == (4, 8, 16, 32)
    for row, clip in enumerate(clip_of):
        alone = run(backbone, frames[clip:clip + 1], words[row:row + 1], mask[row:row + 1], [0])
        for x, y in zip(together, alone, strict=True):
            torch.testing.assert_close(x[row:row + 1], y)


def test_frames_see_each_other_only_where_they_should():
    frames, words, mask = inputs(clips=1, expressions=1)
    other = frames.clone()
    other[:, 1] = 0
    for settings, mixes in ((dict(), False), (dict(fuse_clip=True), True), (dict(swin=VIDEO), True)):
        backbone = make(**settings)
        change = [(x - y).abs().amax((0, 2, 3, 4)) for x, y in zip(
            run(backbone, frames, words, mask, [0]), run(backbone, other, words, mask, [0]), strict=True)]
        assert all(c[1] > 1e-3 for c in change) and all(bool(c[0] > 1e-6) is mixes for c in change)


def test_words_enter_every_stage_but_only_once_without_a_gate():
    frames, words, mask = inputs(clips=1, expressions=1)
    changed = words.clone()
    changed[:, 0] += 1

    def change(backbone):
        return [float((x - y).abs().max()) for x, y in zip(
            run(backbone, frames, words, mask, [0]), run(backbone, frames, changed, mask, [0]), strict=True)]

    assert all(c > 1e-3 for c in change(make()))
    visual = change(make(outputs='visual', gate='none'))  # nothing of the words is left
    assert visual == [0, 0, 0, 0]
    gated = change(make(outputs='visual'))
    assert gated[0] == 0 and all(c > 1e-4 for c in gated[1:])


def test_parts_without_use_are_not_built():
    assert len(make().gates) == 3 and len(make(keep_unused=True).gates) == len(make(outputs='gated').gates) == 4
    assert len(make(outputs='visual').fusions) == 3 and len(make(gate='add').gates) == 0
    frames, words, mask = inputs()
    for settings in (dict(), dict(outputs='visual'), dict(outputs='gated'), dict(gate='add')):
        backbone = make(**settings).train()
        sum(x.square().sum() for x in backbone(frames, words, mask, torch.tensor([0, 1, 1]))).backward()
        assert all(parameter.grad is not None for parameter in backbone.parameters()), settings


def test_outputs_of_some_stages():
    backbone = make(dict(IMAGE, out_norm=(False, True, True, True)), outputs='visual')
    assert backbone.out_channels == (16, 32, 64) and backbone.out_strides == (8, 16, 32)
    assert len(run(backbone, *inputs(), [0, 0, 1])) == 3


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(gate='soft'), "gate 'soft'"), (dict(outputs='both'), "outputs 'both'"),
    (dict(fusion=[dict(type='PixelWordAttention')] * 3), '3 fusions for 4 stages'),
    (dict(swin=dict(VIDEO, out_norm=False)), 'no stage has an output norm')])
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_start():
    backbone = LanguageAwareSwin(swin=VIDEO, fusion=RELEASED, text_channels=6, zero_gates=True)
    backbone.init_weights()
    assert not any(gate[2].weight.any() for gate in backbone.gates) and all(g[0].weight.any() for g in backbone.gates)
    assert 0.01 < backbone.swin.stages[3][0].mlp.fc1.weight.std() < 0.03
    assert not backbone.swin.stages[0][0].attn.qkv.bias.any()


def test_images_start_videos(tmp_path):
    """Bias tables of an image network are repeated over time; what does not fit is left out by name."""
    image, video = make(), make(VIDEO, RELEASED)
    torch.save(image.swin.state_dict(), tmp_path / 'image.pth')
    video.swin.init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'image.pth'))
    video.init_weights()
    table = image.swin.stages[0][0].attn.relative_position_bias_table  # (49, heads)
    assert torch.equal(video.swin.stages[0][0].attn.relative_position_bias_table, table.repeat(3, 1))
    assert torch.equal(video.swin.patch_embed.proj.weight, image.swin.patch_embed.proj.weight)


def test_offsets_of_cut_windows():
    """With true offsets a cut window equals a window of that size whose table is cut the same way."""
    table = torch.randn(3 * 7 * 7, 1, dtype=torch.float64)
    for true_offsets in (True, False):
        attention = make(VIDEO, true_offsets=true_offsets).swin.stages[0][0].attn
        attention.relative_position_bias_table.data = table
        bias = attention._bias(2 * 3 * 2, torch.float64, (2, 3, 2) if attention.true_offsets else None)[0, 0]
        small = table.view(3, 7, 7)[:, 1:6, 2:5].reshape(-1)  # offsets of a window of 2 x 3 x 2
        place = torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(2))
        offset = place[:, None] - place[None] + torch.tensor([1, 2, 1])
        want = small[(offset[..., 0] * 5 + offset[..., 1]) * 3 + offset[..., 2]]
        assert torch.equal(bias, want) is true_offsets
