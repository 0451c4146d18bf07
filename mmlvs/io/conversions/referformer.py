"""Names of ReferFormer's released weights, turned into ours."""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from mmlvs.io.conversion import Conversion, Drop, Keep, Rule, convert_state_dict
from mmlvs.io.conversions.backbones import REFERENCE_BACKBONE_RULES, ROBERTA_RULES, under_prefix

_DERIVED = Drop('derived from the settings of the network, or of a classifier that is not used')
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


def nested(rules: Iterable[Rule], source: str, target: str) -> tuple[Rule, ...]:
    """Rules of a part, for the part inside a larger network.

    Args:
        rules: rules for names inside the part.
        source: prefix in the file, a regular expression without groups.
        target: prefix of ours.
    """
    return tuple(Rule(source + rule.pattern, rule.target if isinstance(rule.target, Drop) else target + rule.target,
                      rule.change) for rule in rules)


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
    Rule(r'decoder\.bbox_embed\..*', Drop('second name of the box heads')),
)

HEAD_RULES: tuple[Rule, ...] = (
    Rule(r'class_embed\.(\d+)\.(weight|bias)', r'class_heads.\1.\2'),
    Rule(r'bbox_embed\.(\d+)\.(.*)', r'box_heads.\1.\2'),
    Rule(r'query_embed\.weight', 'query_position'),
    Rule(r'controller\.(.*)', r'mask_head.controller.\1'),
)

TEXT_RULES: tuple[Rule, ...] = (
    Rule(r'resizer\.(fc|layer_norm)\.(weight|bias)', r'text_projection.\1.\2'),
    *(Rule(pattern, _DERIVED if name is None else name, *change)
      for pattern, name, *change in under_prefix(ROBERTA_RULES, 'text_encoder.', 'text_encoder.')),
)


def backbone_rules(kind: str) -> tuple[Rule, ...]:
    """Rules for the backbone inside a network: ``'resnet'``, ``'swin'`` or ``'video_swin'``."""
    rules = under_prefix(REFERENCE_BACKBONE_RULES[kind], 'backbone.0.body.', 'backbone.')
    return tuple(Rule(pattern, _DERIVED if name is None else name, *change) for pattern, name, *change in rules)


def backbone_kind(names: Iterable[str]) -> str:
    """Kind of the backbone in a file, by its names."""
    names = set(names)
    if 'backbone.0.body.conv1.weight' in names:
        return 'resnet'
    return 'video_swin' if 'backbone.0.body.downsamples.0.norm.weight' in names else 'swin'


def referformer_rules(kind: str) -> tuple[Rule, ...]:
    """Rules for the whole network with a backbone of ``kind``."""
    return (
        *backbone_rules(kind),
        *TEXT_RULES,
        Rule(r'input_proj\.(\d+)\.([01])\.(weight|bias)', r'input_projections.\1.\2.\3'),
        *nested(FUSION_RULES, r'fusion_module\.', 'fusion.'),
        *nested(TRANSFORMER_RULES, r'transformer\.', 'transformer.'),
        *nested(CROSS_MODAL_FPN_RULES, r'pixel_decoder\.', 'pixel_decoder.'),
        *HEAD_RULES,
    )


KEPT: tuple[Keep, ...] = (
    Keep(r'text_encoder\.tokenizer\._extra_state', 'the vocabulary belongs to the tokenizer, which is not in the file'),
    Keep(r'backbone\..*\.num_batches_tracked', 'counter of batch norms, which are frozen'),
)
"""Tensors of ours that a released file does not hold."""


def referformer_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors of a released file: its entry ``model``, or the file itself when it is a state dict."""
    state = checkpoint.get('model', checkpoint)
    return {name.removeprefix('module.'): value for name, value in state.items() if isinstance(value, Tensor)}


def convert_referformer(checkpoint: Mapping[str, Any], target: Mapping[str, Tensor]) -> Conversion:
    """Weights of a released file for our network.

    Args:
        checkpoint: content of the file.
        target: ``state_dict()`` of a :class:`mmlvs.models.ReferFormer` of the same size.

    Raises:
        ConversionError: the file does not fit the network; every misfit is listed.
    """
    state = referformer_state(checkpoint)
    return convert_state_dict(state, referformer_rules(backbone_kind(state)), target, KEPT)
