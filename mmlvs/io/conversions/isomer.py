"""Names of Isomer's released weights, turned into ours."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmlvs.io.conversion import Rule, WeightFormat, nested
from mmlvs.io.conversions.backbones import BATCH_NORM_KEPT, SWIN_RULES, swin_settings
from mmlvs.io.conversions.mix_transformer import MIX_TRANSFORMER_RULES, mix_transformer_settings

_FFN_RULES: tuple[Rule, ...] = (
    Rule(r'dwconv\.dwconv\.(weight|bias)', r'dwconv.\1'),
    Rule(r'(linear1|linear2|norm)\.(weight|bias)', r'\1.\2'),
)
CST_RULES: tuple[Rule, ...] = (
    Rule(r'project\.(weight|bias)', r'project.\1'),
    Rule(r'transformer_self_attention_layers\.0\.((?:conv_mask|channel_add_conv\.\d)\.(?:weight|bias))', r'context.\1'),
    *nested(_FFN_RULES, r'transformer_ffn_layers\.0\.', 'ffn.'),
)
"""Context-Sharing Transformer."""


def _branch_rules(theirs: str, ours: str) -> tuple[Rule, ...]:
    layers = r'(?P<layer>\d+)'
    return (
        Rule(rf'{theirs}_soft_weights\.(weight|bias)', rf'{ours}.soft_weights.\1'),
        Rule(rf'{theirs}_self_attention_layers\.{layers}\.self_attn\.(.*)',
             rf'{ours}.attentions.\g<layer>.attention.\2'),
        Rule(rf'{theirs}_self_attention_layers\.{layers}\.norm\.(weight|bias)',
             rf'{ours}.attentions.\g<layer>.norm.\2'),
        Rule(rf'{theirs}_ffn_layers\.{layers}\.dwconv\.dwconv\.(weight|bias)', rf'{ours}.ffns.\g<layer>.dwconv.\2'),
        Rule(rf'{theirs}_ffn_layers\.{layers}\.(.*)', rf'{ours}.ffns.\g<layer>.\2'),
    )


SGST_RULES: tuple[Rule, ...] = (
    Rule(r'project\.(weight|bias)', r'project.\1'),
    Rule(r'generate_heat_map\.sal_conv\.(weight|bias)', r'heat_map.\1'),
    *_branch_rules('fg', 'foreground'),
    *_branch_rules('bg', 'background'),
)
"""Semantic Gathering-Scattering Transformer."""

HEAD_RULES: tuple[Rule, ...] = (
    *(Rule(rf'linear_c{i + 1}\.proj\.(weight|bias)', rf'projections.{i}.\1') for i in range(4)),
    Rule(r'linear_fuse\.((?:conv|bn)\..*)', r'fuse.\1'),
    Rule(r'linear_project\.((?:conv|bn)\..*)', r'refine.\1'),
    Rule(r'linear_saliency_pred\.(weight|bias)', r'predict.\1'),
)
"""Head; the counters of its batch norms come along."""

ISOMER_RULES: tuple[Rule, ...] = (
    *(rule for theirs, ours in (('backbone_x', 'appearance'), ('backbone_y', 'motion'))
      for rules in (MIX_TRANSFORMER_RULES, SWIN_RULES)  # in this order: here Swin has no norms of outputs
      for rule in nested(rules, rf'{theirs}\.', f'backbone.{ours}.')),
    *(rule for i in range(2) for rule in nested(CST_RULES, rf'fusion_module{i}\.', f'fusions.{i}.')),
    *(rule for i in range(2, 4) for rule in nested(SGST_RULES, rf'fusion_module{i}\.', f'fusions.{i}.')),
    *nested(HEAD_RULES, r'decode_head\.', 'decode_head.'),
)
"""The whole network, with any of its backbones."""

KEPT = (BATCH_NORM_KEPT, )
"""Tensors of ours that a file need not hold."""


def isomer_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What names and shapes tell of the settings of an :class:`Isomer`: the kind and size of its backbones."""
    part = {name.removeprefix('backbone.appearance.'): value for name, value in state.items()
            if name.startswith('backbone.appearance.')}
    branch = mix_transformer_settings(part) if 'patch_embeds.0.proj.weight' in part else swin_settings(part)
    return dict(type='Isomer', backbone=dict(type='TwoStreamBackbone', appearance=branch, motion=branch))


def semantic_part_was_trained(state: Mapping[str, Tensor]) -> bool | None:
    """Whether the semantic branches of the fusion modules were ever trained, from weights by our names.

    The released code throws their result away. What it trained has them as they started: norms exactly 1 and 0, biases
    of the attention exactly 0. Such weights mean something with ``scatter='none'`` only.

    Returns:
        None if there are no values to look at (a list of names and shapes, or no such parts).
    """
    starts = [(value, 1.0 if name.endswith('weight') else 0.0) for name, value in state.items()
              if '.attentions.' in name and name.endswith(('.norm.weight', '.norm.bias', '.in_proj_bias'))]
    if not starts or any(value.is_meta for value, _ in starts):
        return None
    return not all(torch.equal(value, torch.full_like(value, start)) for value, start in starts)


def isomer_remarks(state: Mapping[str, Tensor]) -> list[str]:
    """What the user should know of the semantic fusion of a file."""
    trained = semantic_part_was_trained(state)
    if trained is None:
        return ["semantic fusion: without values it cannot be told whether it was trained; scatter='none' is what the "
                'released code computes']
    if trained:
        return ["semantic fusion: it was TRAINED, so the code that trained it used its result; set scatter='position' "
                'in model.fusions[2] and [3], and check the scores of both settings']
    return ["semantic fusion: its branches were never trained (norms are exactly 1, biases exactly 0); scatter='none' "
            'is the only faithful setting']


ISOMER = WeightFormat(
    name='isomer', about='Isomer as its authors released it', part='model', rules=ISOMER_RULES, keep=KEPT,
    settings=isomer_settings, configs='_base_/models/isomer_*.py', remarks=isomer_remarks)

FORMATS = (ISOMER, )
