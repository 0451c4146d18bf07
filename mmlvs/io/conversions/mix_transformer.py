"""Names of Mix Transformer (SegFormer encoder) weights, turned into ours. Our own names pass unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmlvs.io.conversion import Drop, Rule, WeightFormat
from mmlvs.io.conversions.backbones import count


def _stage_rules(number: int) -> tuple[Rule, ...]:
    i = number - 1
    return (
        Rule(rf'patch_embed{number}\.(proj|norm)\.(weight|bias)', rf'patch_embeds.{i}.\1.\2'),
        Rule(rf'block{number}\.(\d+)\.mlp\.dwconv\.dwconv\.(weight|bias)', rf'stages.{i}.\1.mlp.dwconv.\2'),
        Rule(rf'block{number}\.(\d+)\.(.*)', rf'stages.{i}.\1.\2'),
        Rule(rf'norm{number}\.(weight|bias)', rf'out_norms.{i}.\1'),
    )


MIX_TRANSFORMER_RULES: tuple[Rule, ...] = (
    *(rule for number in range(1, 5) for rule in _stage_rules(number)),
    Rule(r'head\..*', Drop('of the classifier, which is not used')),
    Rule(r'((?:patch_embeds|stages|out_norms)\..*)', r'\1'),
)
"""The authors' names, of ImageNet files and of networks built on them."""


def mix_transformer_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Settings of a :class:`MixTransformerBackbone` from its weights; heads are not told."""
    kernels = [state[f'patch_embeds.{i}.proj.weight'] for i in range(4)]
    hidden = [state[f'stages.{i}.0.mlp.fc1.weight'] for i in range(4)]
    reductions = [state.get(f'stages.{i}.0.attn.sr.weight') for i in range(4)]
    return dict(
        type='MixTransformerBackbone', embed_dims=tuple(len(x) for x in kernels),
        depths=tuple(count(state, f'stages.{i}.{{}}.norm1.weight') for i in range(4)),
        mlp_ratios=tuple(x.shape[0] // x.shape[1] for x in hidden),
        sr_ratios=tuple(1 if x is None else x.shape[-1] for x in reductions),
        patch_sizes=tuple(x.shape[-1] for x in kernels), qkv_bias='stages.0.0.attn.q.bias' in state)


MIX_TRANSFORMER = WeightFormat(
    name='mix_transformer', about='Mix Transformer (encoder of SegFormer) trained on ImageNet', part='backbone',
    rules=MIX_TRANSFORMER_RULES, prefixes=('backbone.', ), settings=mix_transformer_settings)

FORMATS = (MIX_TRANSFORMER, )
