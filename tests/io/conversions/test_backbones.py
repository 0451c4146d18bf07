"""Names and settings of backbone and text-encoder weights in other projects' files."""

import pytest
import torch

from mmlvs.io.conversion import ConversionError, rename
from mmlvs.io.conversions import formats
from mmlvs.io.conversions.backbones import (
    RESNET,
    ROBERTA,
    ROBERTA_RULES,
    SWIN,
    SWIN_RULES,
    VIDEO_SWIN,
    VIDEO_SWIN_RULES,
)
from mmlvs.registry import MODELS

ONE = torch.ones(1)


def names(state, rules):
    return [new for new in (rename(name, rules)[0] for name in state) if isinstance(new, str)]


def test_swin_names():
    assert names([
        'patch_embed.proj.weight', 'layers.2.blocks.11.attn.relative_position_bias_table',
        'layers.2.blocks.11.attn.relative_position_index', 'layers.0.blocks.1.attn_mask',
        'layers.1.downsample.reduction.weight', 'norm3.bias', 'norm.weight', 'head.bias'
    ], SWIN_RULES) == [
        'patch_embed.proj.weight', 'stages.2.11.attn.relative_position_bias_table', 'merges.1.reduction.weight',
        'out_norms.3.bias'
    ]


def test_merging_of_video_swin_under_both_names():
    for name in ('layers.0.downsample.norm.bias', 'downsamples.0.norm.bias'):
        assert names([name], VIDEO_SWIN_RULES) == ['merges.0.norm.bias']
    both = {'layers.0.downsample.norm.bias': ONE, 'downsamples.0.norm.bias': ONE}
    with pytest.raises(ConversionError, match="'layers.0.downsample.norm.bias' and 'downsamples.0.norm.bias'"):
        VIDEO_SWIN.convert(both, {'merges.0.norm.bias': ONE})


@pytest.mark.parametrize('depth', [1, 2])
def test_patch_kernel_is_summed_over_time(depth):
    kernel = torch.randn(4, 3, depth, 2, 2)
    out = VIDEO_SWIN.convert({'state_dict': {'backbone.patch_embed.proj.weight': kernel, 'cls_head.weight': ONE}},
                             {'patch_embed.proj.weight': torch.empty(4, 3, 2, 2)})
    assert list(out.dropped) == ['cls_head.weight']
    torch.testing.assert_close(out.state_dict['patch_embed.proj.weight'], sum(kernel[:, :, t] for t in range(depth)))


def test_roberta_names_with_and_without_head():
    assert names([
        'roberta.embeddings.word_embeddings.weight', 'roberta.embeddings.position_ids',
        'roberta.encoder.layer.0.output.LayerNorm.gamma', 'lm_head.bias', 'pooler.dense.bias',
        'embeddings.LayerNorm.beta'
    ], ROBERTA_RULES) == [
        'model.embeddings.word_embeddings.weight', 'model.encoder.layer.0.output.LayerNorm.weight',
        'model.pooler.dense.bias', 'model.embeddings.LayerNorm.bias'
    ]


WINDOWED = dict(embed_dim=8, depths=(1, 2, 1, 1), num_heads=(1, 2, 4, 8))
SMALL = [
    (RESNET, dict(type='ResNetBackbone', depths=(1, 2, 1, 1), base_width=8)),
    (SWIN, dict(type='SwinBackbone', **WINDOWED, window_size=5, mlp_ratio=2.0, qkv_bias=False, patch_norm=False,
                patch_size=2)),
    (VIDEO_SWIN, dict(type='VideoSwinBackbone', **WINDOWED, window_size=(8, 7, 7), mlp_ratio=4.0, qkv_bias=True,
                      patch_norm=True, patch_size=4)),
    (ROBERTA, dict(type='RobertaTextEncoder',
                   tokenizer=dict(type='PretrainedTokenizer', path='pretrained/roberta-base'),
                   config=dict(vocab_size=50, hidden_size=128, num_attention_heads=2, num_hidden_layers=2,
                               intermediate_size=96, max_position_embeddings=20, type_vocab_size=1))),
]


@pytest.mark.parametrize('form, settings', SMALL, ids=lambda value: getattr(value, 'name', ''))
def test_our_own_names_pass_unchanged_and_tell_the_settings(form, settings):
    with torch.device('meta'):
        state = MODELS.build(settings).state_dict()
    assert form.recognise(state) == settings
    outcome = form.convert(state, state)
    assert {*outcome.state_dict} | {*outcome.kept} == {*state} and not outcome.dropped
    assert form.recognise({f'{form.part}.{name}': value for name, value in state.items()}) == settings


def test_what_shapes_cannot_tell():
    with torch.device('meta'):
        swin = MODELS.build({**SMALL[2][1], 'window_size': (5, 2, 2)}).state_dict()  # 81 rows, as of 1 x 5 x 5
        text = MODELS.build({**SMALL[3][1], 'config': dict(SMALL[3][1]['config'], hidden_size=96)}).state_dict()
    with pytest.raises(ConversionError, match=r'81 .* fits the windows \[\(5, 2, 2\), \(1, 5, 5\)\]'):
        VIDEO_SWIN.recognise(swin)
    with pytest.raises(ConversionError, match='width 96'):
        ROBERTA.recognise(text)
    with pytest.raises(ConversionError, match="no ResNet of .*becomes 'conv1.weight'"):
        RESNET.recognise(swin)


def test_formats_are_found_by_name():
    assert {'resnet', 'swin', 'video_swin', 'roberta', 'referformer'} <= set(formats())
    assert formats()['resnet'] is RESNET
