"""Names of backbone and text-encoder weights in files of other projects, turned into ours.

Our own names pass unchanged: a converted file, or the backbone inside one of our checkpoints, can stand wherever a
released one can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mmlvs.io.conversion import ConversionError, Drop, Keep, Rule, WeightFormat

_WINDOW = Drop('derived from the window')
_CLASSIFIER = Drop('of the classifier, which is not used')


def sum_over_time(kernel: Tensor) -> Tensor:
    """Patch kernel of a video transformer for single frames, (C, 3, t, p, p) -> (C, 3, p, p).

    A frame then gives what t equal frames gave. A kernel without a time axis passes unchanged.
    """
    return kernel.sum(dim=2) if kernel.ndim == 5 else kernel


def fit_bias_table(table: Tensor, window: tuple[int, int, int]) -> Tensor:
    """Relative-position table of an image window for a window (frames, rows, columns), (rows, heads) -> (rows', heads).

    The square of offsets is resized, bicubic, and every offset in time gets the same. A table that has the right
    length, or is not of a square window, passes unchanged.
    """
    time, height, width = (2 * n - 1 for n in window)
    side = round(len(table)**0.5)
    if len(table) == time * height * width or side * side != len(table) or side % 2 == 0:
        return table
    if (side, side) != (height, width):
        square = table.t().reshape(1, -1, side, side)  # S*S heads -> 1 heads S S
        resized = F.interpolate(square, size=(height, width), mode='bicubic', align_corners=False)
        table = resized.flatten(2)[0].t()  # 1 heads S1 S2 -> S1*S2 heads
    return table.repeat(time, 1)


SWIN_RULES: tuple[Rule, ...] = (
    Rule(r'(?:layers|stages)\.\d+\.(?:blocks\.)?\d+\.attn\.relative_position_index', _WINDOW),
    Rule(r'layers\.\d+\.blocks\.\d+\.attn_mask', Drop('derived from the size of the training images')),
    Rule(r'layers\.(\d+)\.blocks\.(\d+)\.(.*)', r'stages.\1.\2.\3'),
    Rule(r'layers\.(\d+)\.downsample\.(.*)', r'merges.\1.\2'),
    Rule(r'norm(\d+)\.(weight|bias)', r'out_norms.\1.\2'),
    Rule(r'norm\.(?:weight|bias)', _CLASSIFIER),
    Rule(r'head\..*', _CLASSIFIER),
    Rule(r'patch_embed\.(proj|norm)\.(weight|bias)', r'patch_embed.\1.\2'),
    Rule(r'((?:stages|merges|out_norms)\..*)', r'\1'),
)
"""Image Swin: classification files and the networks built on them."""

VIDEO_SWIN_RULES: tuple[Rule, ...] = (
    Rule(r'patch_embed\.proj\.weight', r'patch_embed.proj.weight', sum_over_time),
    Rule(r'downsamples\.(\d+)\.(.*)', r'merges.\1.\2'),
    *SWIN_RULES,
)
"""Video Swin: Kinetics files (merging inside the stage) and ReferFormer's (merging beside the stages)."""

RESNET_RULES: tuple[Rule, ...] = (
    Rule(r'((?:conv1|bn1|layer\d+)\..*)', r'\1'),
    Rule(r'fc\..*', _CLASSIFIER),
)
"""ResNet: our names are torchvision's, only the classifier goes."""

ROBERTA_RULES: tuple[Rule, ...] = (
    Rule(r'(?:roberta\.)?embeddings\.position_ids', Drop('derived from the number of positions')),
    Rule(r'lm_head\..*', Drop('of the language model, which is not used')),
    Rule(r'(?:roberta\.)?(.*LayerNorm)\.gamma', r'model.\1.weight'),
    Rule(r'(?:roberta\.)?(.*LayerNorm)\.beta', r'model.\1.bias'),
    Rule(r'(?:roberta\.)?((?:embeddings|encoder|pooler)\..*)', r'model.\1'),
    Rule(r'((?:model|tokenizer)\..*)', r'\1'),
)
"""RoBERTa as Hugging Face writes it, alone or under a language-model head; ours lies under ``model``."""

BERT_RULES: tuple[Rule, ...] = (
    Rule(r'(?:bert\.)?embeddings\.position_ids', Drop('derived from the number of positions')),
    Rule(r'cls\..*', Drop('of the language model, which is not used')),
    Rule(r'(?:bert\.)?(.*LayerNorm)\.gamma', r'model.\1.weight'),
    Rule(r'(?:bert\.)?(.*LayerNorm)\.beta', r'model.\1.bias'),
    Rule(r'(?:bert\.)?((?:embeddings|encoder|pooler)\..*)', r'model.\1'),
    Rule(r'((?:model|tokenizer)\..*)', r'\1'),
)
"""BERT as Hugging Face writes it, alone or under its heads; ours lies under ``model``."""
NO_POOLER = Rule(r'(?:bert\.|model\.)?pooler\..*', Drop('the sentence is not taken from the pooler'))

BATCH_NORM_KEPT = Keep(r'.*\.num_batches_tracked', 'counter of batch norms, which count anew', zeros=True)
TOKENIZER_KEPT = Keep(r'(?:.*\.)?tokenizer\._extra_state', 'the vocabulary is of the tokenizer', zeros=True)
_OUT_NORMS_KEPT = Keep(r'out_norms\..*', 'output norms are new')
_POOLER_KEPT = Keep(r'model\.pooler\..*', 'the file holds no pooler')


def count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many numbers i there are, from 0 on, for which ``pattern.format(i)`` is a name."""
    number = 0
    while pattern.format(number) in state:
        number += 1
    return number


def resnet_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Settings of a :class:`ResNetBackbone` from its weights."""
    stem = state['conv1.weight']
    depths = tuple(count(state, f'layer{i}.{{}}.conv1.weight') for i in range(1, 5))
    return dict(type='ResNetBackbone', depths=depths, base_width=len(stem))


def swin_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Settings of a :class:`SwinBackbone` from its weights."""
    rows, settings = _windowed_settings(state)
    side = (round(rows**0.5) + 1) // 2
    if (2 * side - 1)**2 != rows:
        raise ConversionError(f'no image Swin has a table of {rows} relative positions; is it Video Swin?')
    return dict(type='SwinBackbone', **settings, window_size=side)


def video_swin_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Settings of a :class:`VideoSwinBackbone` from its weights.

    Raises:
        ConversionError: several windows (frames, side, side) fit the table of relative positions, or none does.
    """
    rows, settings = _windowed_settings(state)
    windows = [((rows // (2 * side - 1)**2 + 1) // 2, side, side) for side in range(2, 65)
               if rows % (2 * side - 1)**2 == 0 and rows // (2 * side - 1)**2 % 2]
    if len(windows) != 1:
        raise ConversionError(f'a table of {rows} relative positions fits the windows {windows}: name a config')
    return dict(type='VideoSwinBackbone', **settings, window_size=windows[0])


def _windowed_settings(state: Mapping[str, Tensor]) -> tuple[int, dict[str, Any]]:
    """Rows of the table of relative positions, and the settings that both kinds of Swin share."""
    kernel, hidden = state['patch_embed.proj.weight'], state['stages.0.0.mlp.fc1.weight']
    table = 'stages.{}.0.attn.relative_position_bias_table'
    heads = tuple(state[table.format(i)].shape[1] for i in range(count(state, table)))
    settings = dict(
        embed_dim=len(kernel), num_heads=heads,
        depths=tuple(count(state, f'stages.{i}.{{}}.attn.qkv.weight') for i in range(len(heads))),
        patch_size=kernel.shape[-1], mlp_ratio=len(hidden) / hidden.shape[1],
        qkv_bias='stages.0.0.attn.qkv.bias' in state, patch_norm='patch_embed.norm.weight' in state)
    return len(state[table.format(0)]), settings


def text_numbers(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Numbers of a BERT or RoBERTa from its weights; heads are 64 wide, as in all released ones."""
    words = state['model.embeddings.word_embeddings.weight']
    if words.shape[1] % 64:
        raise ConversionError(f'heads of a text encoder of width {words.shape[1]} cannot be told from its weights: '
                              'name a config')
    return dict(
        vocab_size=len(words), hidden_size=words.shape[1], num_attention_heads=words.shape[1] // 64,
        num_hidden_layers=count(state, 'model.encoder.layer.{}.output.dense.weight'),
        intermediate_size=len(state['model.encoder.layer.0.intermediate.dense.weight']),
        max_position_embeddings=len(state['model.embeddings.position_embeddings.weight']),
        type_vocab_size=len(state['model.embeddings.token_type_embeddings.weight']))


def roberta_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Settings of a :class:`RobertaTextEncoder` from its weights."""
    return dict(type='RobertaTextEncoder', config=text_numbers(state),
                tokenizer=dict(type='PretrainedTokenizer', path='pretrained/roberta-base'))


def bert_settings(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Settings of a :class:`BertTextEncoder` from its weights."""
    return dict(type='BertTextEncoder', config=text_numbers(state),
                sentence='pooler' if 'model.pooler.dense.weight' in state else 'mean',
                tokenizer=dict(type='PretrainedTokenizer', path='pretrained/bert-base-uncased'))


_INSIDE = ('backbone.0.body.', 'backbone.')

RESNET = WeightFormat(
    name='resnet', about='ResNet of torchvision, or the one inside a larger network', part='backbone',
    rules=RESNET_RULES, keep=(BATCH_NORM_KEPT, ), prefixes=_INSIDE, settings=resnet_settings)
SWIN = WeightFormat(
    name='swin', about='image Swin trained on ImageNet, or the one inside a larger network', part='backbone',
    rules=SWIN_RULES, keep=(_OUT_NORMS_KEPT, ), prefixes=_INSIDE, settings=swin_settings)
VIDEO_SWIN = WeightFormat(
    name='video_swin', about='Video Swin trained on Kinetics, or the one inside a larger network', part='backbone',
    rules=VIDEO_SWIN_RULES, keep=(_OUT_NORMS_KEPT, ), prefixes=_INSIDE, settings=video_swin_settings)
ROBERTA = WeightFormat(
    name='roberta', about='RoBERTa of Hugging Face (a file or its folder), or the one inside a larger network',
    part='text_encoder', rules=ROBERTA_RULES, keep=(_POOLER_KEPT, TOKENIZER_KEPT), prefixes=('text_encoder.', ),
    settings=roberta_settings)

BERT = WeightFormat(
    name='bert', about='BERT of Hugging Face (a file or its folder), or the one inside a larger network',
    part='text_encoder', rules=BERT_RULES, keep=(_POOLER_KEPT, TOKENIZER_KEPT), prefixes=('text_encoder.', ),
    settings=bert_settings)
BERT_WITHOUT_POOLER = replace(BERT, rules=(NO_POOLER, *BERT_RULES))

FORMATS = (RESNET, SWIN, VIDEO_SWIN, ROBERTA, BERT)

REFERENCE_BACKBONES: dict[str, WeightFormat] = {'resnet': RESNET, 'swin': SWIN, 'video_swin': VIDEO_SWIN}
"""By kind of backbone, for the weights below ``backbone.0.body.`` of ReferFormer and its relatives."""
