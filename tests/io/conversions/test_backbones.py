"""Names of weights in other projects' files."""

import pytest
import torch

from mmlvs.io.conversions.backbones import (
    ROBERTA_RULES,
    SWIN_RULES,
    VIDEO_SWIN_RULES,
    adapt_resnet,
    adapt_swin,
    adapt_video_swin,
    apply_rules,
    under_prefix,
    weights_of,
)

ONE = torch.ones(1)


def names(state, rules):
    return list(apply_rules(dict.fromkeys(state, ONE), rules))


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


@pytest.mark.parametrize('depth', [1, 2])
def test_patch_kernel_is_summed_over_time(depth):
    kernel = torch.randn(4, 3, depth, 2, 2)
    out = adapt_video_swin({'state_dict': {'backbone.patch_embed.proj.weight': kernel, 'cls_head.weight': ONE}})
    assert list(out) == ['patch_embed.proj.weight']
    torch.testing.assert_close(out['patch_embed.proj.weight'], sum(kernel[:, :, t] for t in range(depth)))


def test_roberta_names_with_and_without_head():
    assert names([
        'roberta.embeddings.word_embeddings.weight', 'roberta.embeddings.position_ids',
        'roberta.encoder.layer.0.output.LayerNorm.gamma', 'lm_head.bias', 'pooler.dense.bias',
        'embeddings.LayerNorm.beta'
    ], ROBERTA_RULES) == [
        'model.embeddings.word_embeddings.weight', 'model.encoder.layer.0.output.LayerNorm.weight',
        'model.pooler.dense.bias', 'model.embeddings.LayerNorm.bias'
    ]


def test_rules_for_a_part_of_a_larger_network():
    rules = under_prefix(SWIN_RULES, 'backbone.0.body.', 'backbone.')
    assert names(['backbone.0.body.norm1.weight', 'backbone.0.body.patch_embed.norm.bias', 'norm1.weight'], rules) == [
        'backbone.out_norms.1.weight', 'backbone.patch_embed.norm.bias', 'norm1.weight'
    ]


def test_our_own_names_pass_unchanged():
    own = ['stages.0.1.norm1.weight', 'merges.2.norm.bias', 'out_norms.0.weight', 'patch_embed.proj.weight']
    assert names(own, VIDEO_SWIN_RULES) == own
    assert names(['model.pooler.dense.bias'], ROBERTA_RULES) == ['model.pooler.dense.bias']


def test_two_tensors_of_one_name_are_an_error():
    with pytest.raises(ValueError, match="'layers.0.downsample.norm.bias' and 'downsamples.0.norm.bias'"):
        names(['layers.0.downsample.norm.bias', 'downsamples.0.norm.bias'], VIDEO_SWIN_RULES)


def test_wrapping_of_files():
    state = {'module.conv1.weight': ONE, 'epoch': 3}
    for wrapped in (state, {'model': state}, {'state_dict': state, 'model': {}}):
        assert list(weights_of(wrapped)) == ['conv1.weight']
    whole = {'model': {'backbone.0.body.conv1.weight': ONE, 'class_embed.0.bias': ONE}}
    assert list(adapt_resnet(whole)) == ['conv1.weight']
    assert list(adapt_swin({'model': {'norm0.weight': ONE, 'head.weight': ONE}})) == ['out_norms.0.weight']
