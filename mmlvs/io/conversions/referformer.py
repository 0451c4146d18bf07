"""Names of ReferFormer's released weights, turned into ours."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from mmlvs.io.conversion import Drop, Keep, Rule, WeightFormat, nested
from mmlvs.io.conversions.backbones import (
    BATCH_NORM_KEPT,
    RESNET,
    RESNET_RULES,
    ROBERTA_RULES,
    SWIN,
    TOKENIZER_KEPT,
    VIDEO_SWIN,
    VIDEO_SWIN_RULES,
)

_FPN_PARTS = '1234'

DEFORMABLE_ATTENTION_RULES: tuple[Rule, ...] = (
    Rule(r'(sampling_offsets|attention_weights|value_proj|output_proj)\.(weight|bias)', r'\1.\2'),
)
ENCODER_LAYER_RULES: tuple[Rule, ...] = (
    Rule(r'self_attn\.(.*)', r'attention.\1'),
    Rule(r'norm1\.(.*)', r'norm.\1'),
    Rule(r'linear1\.(.*)', r'feedforward.layers.0.\1'),
    Rule(r'linear2\.(.*)', r'feedforward.layers.3.\1'),
    Rule(r'norm2\.(.*)', r'feedforward.norm.\1'),
)
DECODER_LAYER_RULES: tuple[Rule, ...] = (
    Rule(r'self_attn\.(.*)', r'self_attention.\1'),
    Rule(r'norm2\.(.*)', r'self_norm.\1'),  # the second norm follows the self-attention, which comes first
    Rule(r'cross_attn\.(.*)', r'cross_attention.\1'),
    Rule(r'norm1\.(.*)', r'cross_norm.\1'),
    Rule(r'linear1\.(.*)', r'feedforward.layers.0.\1'),
    Rule(r'linear2\.(.*)', r'feedforward.layers.3.\1'),
    Rule(r'norm3\.(.*)', r'feedforward.norm.\1'),
)
FUSION_RULES: tuple[Rule, ...] = (Rule(r'multihead_attn\.(.*)', r'attention.\1'), )
VISION_LANGUAGE_BLOCK_RULES: tuple[Rule, ...] = (
    Rule(r'self_attn\.(.*)', r'vision_attention.\1'),
    Rule(r'norm1\.(.*)', r'vision_norm.\1'),
    Rule(r'multihead_attn\.(.*)', r'text_attention.\1'),
    Rule(r'norm2\.(.*)', r'text_norm.\1'),
    Rule(r'linear1\.(.*)', r'feedforward.0.\1'),
    Rule(r'linear2\.(.*)', r'feedforward.3.\1'),
    Rule(r'norm3\.(.*)', r'feedforward_norm.\1'),
)


def _numbered(rules: Iterable[Rule], source: str, target: str) -> tuple[Rule, ...]:
    """Rules of a layer, for the layers ``source.<i>.``, which become ``target.<i>.``."""
    return tuple(Rule(rf'{source}\.(?P<layer>\d+)\.{rule.pattern}', _shift(rf'{target}.\g<layer>.', rule.target))
                 for rule in rules)


def _shift(prefix: str, target: str) -> str:
    return prefix + target.replace(r'\1', r'\2')  # the layer number is the first group


def _fpn_rules() -> tuple[Rule, ...]:
    rules: list[Rule] = []
    for i, part in enumerate(_FPN_PARTS):
        for theirs, ours in (('adapter', 'laterals'), ('layer', 'outputs')):
            rules += [Rule(rf'{theirs}_{part}\.weight', f'{ours}.{i}.0.weight'),
                      Rule(rf'{theirs}_{part}\.norm\.(weight|bias)', rf'{ours}.{i}.1.\1')]
        rules += nested(VISION_LANGUAGE_BLOCK_RULES, rf'cross_attn_{part}\.', f'blocks.{i}.')
    return (*rules, Rule(r'mask_features\.(weight|bias)', r'mask_features.\1'))


CROSS_MODAL_FPN_RULES = _fpn_rules()

TRANSFORMER_RULES: tuple[Rule, ...] = (
    Rule(r'level_embed', 'level_embed'),
    Rule(r'reference_points\.(weight|bias)', r'reference_points.\1'),
    *_numbered(ENCODER_LAYER_RULES, r'encoder\.layers', 'encoder.layers'),
    *_numbered(DECODER_LAYER_RULES, r'decoder\.layers', 'decoder.layers'),
)

HEAD_RULES: tuple[Rule, ...] = (
    Rule(r'class_embed\.(\d+)\.(weight|bias)', r'class_heads.\1.\2'),
    Rule(r'bbox_embed\.(\d+)\.(.*)', r'box_heads.\1.\2'),
    Rule(r'query_embed\.weight', 'query_position'),
    Rule(r'controller\.(.*)', r'mask_head.controller.\1'),
)

TEXT_RULES: tuple[Rule, ...] = (
    Rule(r'resizer\.(fc|layer_norm)\.(weight|bias)', r'text_projection.\1.\2'),
    *nested(ROBERTA_RULES, r'text_encoder\.', 'text_encoder.'),
)

REFERFORMER_RULES: tuple[Rule, ...] = (
    *nested(RESNET_RULES, r'backbone\.0\.body\.', 'backbone.'),
    *nested(VIDEO_SWIN_RULES, r'backbone\.0\.body\.', 'backbone.'),  # those of image Swin among them
    *TEXT_RULES,
    Rule(r'input_proj\.(\d+)\.([01])\.(weight|bias)', r'input_projections.\1.\2.\3'),
    *nested(FUSION_RULES, r'fusion_module\.', 'fusion.'),
    Rule(r'transformer\.decoder\.bbox_embed\.(.*)', Drop('second name of a box head', same_as=r'box_heads.\1')),
    *nested(TRANSFORMER_RULES, r'transformer\.', 'transformer.'),
    *nested(CROSS_MODAL_FPN_RULES, r'pixel_decoder\.', 'pixel_decoder.'),
    *HEAD_RULES,
)
"""The whole network, with any of its backbones."""

KEPT: tuple[Keep, ...] = (TOKENIZER_KEPT, BATCH_NORM_KEPT)
"""Tensors of ours that a released file does not hold."""


def referformer_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What names and shapes tell of the settings of a :class:`ReferFormer`: its backbone, queries and classes."""
    if 'backbone.conv1.weight' in state:
        kind = RESNET
    else:  # only image Swin has output norms
        kind = SWIN if 'backbone.out_norms.0.weight' in state else VIDEO_SWIN
    backbone = {name.removeprefix('backbone.'): value for name, value in state.items() if name.startswith('backbone.')}
    return dict(type='ReferFormer', backbone=kind.settings(backbone), num_queries=len(state['query_position']),
                num_classes=len(state['class_heads.0.bias']))


REFERFORMER = WeightFormat(
    name='referformer', about='ReferFormer as its authors released it', part='model', rules=REFERFORMER_RULES,
    keep=KEPT, settings=referformer_settings, configs='_base_/models/referformer_*.py',
    counts=('num_queries', 'num_classes'))

FORMATS = (REFERFORMER, )
