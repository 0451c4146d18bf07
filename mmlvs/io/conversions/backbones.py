"""Names of backbone and text-encoder weights in files of other projects, turned into ours.

Rules are data: ``(pattern, replacement)`` or ``(pattern, replacement, change of the value)``. The first rule whose
pattern matches the whole name decides; a replacement of None drops the tensor; a name that no rule matches stays, so
that our own names pass unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

Rule = tuple[str, str | None] | tuple[str, str, Callable[[Tensor], Tensor]]


def sum_over_time(kernel: Tensor) -> Tensor:
    """Patch kernel of a video transformer for single frames, (C, 3, t, p, p) -> (C, 3, p, p).

    A frame then gives what t equal frames gave. A kernel without a time axis passes unchanged.
    """
    return kernel.sum(dim=2) if kernel.ndim == 5 else kernel


SWIN_RULES: tuple[Rule, ...] = (
    (r'layers\.\d+\.blocks\.\d+\.attn\.relative_position_index', None),  # derived from the window
    (r'layers\.\d+\.blocks\.\d+\.attn_mask', None),  # derived from the image size
    (r'layers\.(\d+)\.blocks\.(\d+)\.(.*)', r'stages.\1.\2.\3'),
    (r'layers\.(\d+)\.downsample\.(.*)', r'merges.\1.\2'),
    (r'norm(\d+)\.(.*)', r'out_norms.\1.\2'),
    (r'norm\.(?:weight|bias)', None),  # of the classifier
    (r'head\..*', None),
)
"""Image Swin: classification files and the networks built on them."""

VIDEO_SWIN_RULES: tuple[Rule, ...] = (
    (r'patch_embed\.proj\.weight', r'patch_embed.proj.weight', sum_over_time),
    (r'downsamples\.(\d+)\.(.*)', r'merges.\1.\2'),
    *SWIN_RULES,
)
"""Video Swin: Kinetics files (merging inside the stage) and ReferFormer's (merging beside the stages)."""

RESNET_RULES: tuple[Rule, ...] = ((r'fc\..*', None), )
"""ResNet: our names are torchvision's, only the classifier goes."""

ROBERTA_RULES: tuple[Rule, ...] = (
    (r'(?:roberta\.)?embeddings\.position_ids', None),
    (r'lm_head\..*', None),
    (r'(?:roberta\.)?(.*LayerNorm)\.gamma', r'model.\1.weight'),
    (r'(?:roberta\.)?(.*LayerNorm)\.beta', r'model.\1.bias'),
    (r'(?:roberta\.)?((?:embeddings|encoder|pooler)\..*)', r'model.\1'),
)
"""RoBERTa as Hugging Face writes it, alone or under a language-model head; ours lies under ``model``."""

REFERENCE_BACKBONE_RULES: dict[str, tuple[Rule, ...]] = {
    'resnet': RESNET_RULES,
    'swin': SWIN_RULES,
    'video_swin': VIDEO_SWIN_RULES,
}
"""By kind of backbone, for names below the prefix ``backbone.0.body.`` of ReferFormer and its relatives."""


def under_prefix(rules: Iterable[Rule], source: str, target: str) -> tuple[Rule, ...]:
    """Rules for the same tensors as parts of a larger network.

    Args:
        rules: rules for names without prefix.
        source: prefix in the file, such as ``backbone.0.body.``.
        target: prefix of ours, such as ``backbone.``.

    Returns:
        tuple: the rules with both prefixes, and one that moves the names that pass unchanged.
    """
    moved = [(re.escape(source) + f'(?:{pattern})', None if name is None else target + name, *change)
             for pattern, name, *change in rules]
    return (*moved, (re.escape(source) + '(.*)', target + r'\1'))


def apply_rules(state: Mapping[str, Tensor], rules: Iterable[Rule]) -> dict[str, Tensor]:
    """Rename (and where a rule says so, change) the tensors of a state dict.

    Raises:
        ValueError: two tensors get the same name.
    """
    compiled = [(re.compile(pattern), name, change) for pattern, name, *change in rules]
    out: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    for source, value in state.items():
        target = source
        for pattern, name, change in compiled:
            match = pattern.fullmatch(source)
            if match:
                target = None if name is None else match.expand(name)
                for function in change:
                    value = function(value)
                break
        if target is None:
            continue
        if target in out:
            raise ValueError(f'two tensors of the file get the name {target!r}: {origin[target]!r} and {source!r}')
        out[target], origin[target] = value, source
    return out


def weights_of(checkpoint: Mapping[str, Any], prefixes: Iterable[str] = ()) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, without the wrapping of training tools.

    Takes the entry ``state_dict`` or ``model`` if there is one, cuts ``module.`` off, and if names start with one of
    ``prefixes``, keeps only those, without the prefix (the first prefix that occurs counts).
    """
    for key in ('state_dict', 'model'):
        if isinstance(checkpoint.get(key), Mapping):
            checkpoint = checkpoint[key]
            break
    state = {name.removeprefix('module.'): v for name, v in checkpoint.items() if isinstance(v, Tensor)}
    for prefix in prefixes:
        part = {name[len(prefix):]: v for name, v in state.items() if name.startswith(prefix)}
        if part:
            return part
    return state


_BACKBONE_PREFIXES = ('backbone.0.body.', 'backbone.')


def adapt_swin(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights for :class:`mmlvs.models.backbones.SwinBackbone` from a checkpoint of any known origin."""
    return apply_rules(weights_of(checkpoint, _BACKBONE_PREFIXES), SWIN_RULES)


def adapt_video_swin(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights for :class:`mmlvs.models.backbones.VideoSwinBackbone` from a checkpoint of any known origin."""
    return apply_rules(weights_of(checkpoint, _BACKBONE_PREFIXES), VIDEO_SWIN_RULES)


def adapt_resnet(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights for :class:`mmlvs.models.backbones.ResNetBackbone` from a checkpoint of any known origin."""
    return apply_rules(weights_of(checkpoint, _BACKBONE_PREFIXES), RESNET_RULES)


def adapt_roberta(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Weights for :class:`mmlvs.models.text_encoders.RobertaTextEncoder` from a checkpoint of any known origin."""
    return apply_rules(weights_of(checkpoint, ('text_encoder.', )), ROBERTA_RULES)
