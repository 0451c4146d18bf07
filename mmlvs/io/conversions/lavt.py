"""Names of LAVT's released weights, turned into ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from mmlvs.io.conversion import ConversionError, Drop, Keep, Rule, WeightFormat, nested, weights_of
from mmlvs.io.conversions.backbones import (
    BATCH_NORM_KEPT,
    BERT_RULES,
    NO_POOLER,
    TOKENIZER_KEPT,
    VIDEO_SWIN_RULES,
    swin_settings,
    video_swin_settings,
)


def clip_kernel(weight: Tensor) -> Tensor:
    """Kernel of a convolution over a clip, (C', C), (C', C, 1) or (C', C, t, h, w) -> (C', C, t, h, w); biases as they
    are."""
    return weight.reshape(*weight.shape[:2], 1, 1, 1) if weight.ndim in (2, 3) else weight


def linear_weight(weight: Tensor) -> Tensor:
    """Weight of a linear layer that was a convolution of one cell, (C', C, 1) -> (C', C)."""
    return weight.squeeze(-1) if weight.ndim == 3 else weight


def _conv(theirs: str, ours: str) -> Rule:
    return Rule(theirs + r'\.0\.(weight|bias)', ours + r'.conv.\1', clip_kernel)


def _linear(theirs: str, ours: str) -> Rule:
    return Rule(theirs + r'\.(weight|bias)', ours + r'.\1', linear_weight)


def _attention(theirs: str) -> tuple[Rule, ...]:
    """Attention over words: query, key, value, output, with their norms."""
    rules = [_linear(rf'{theirs}f_key\.0', 'key'), _linear(rf'{theirs}f_value\.0', 'value')]
    for name, ours in (('f_query', 'query'), ('W', 'attended')):
        rules += [_conv(theirs + name, f'{ours}.branches.0.0'),
                  Rule(rf'{theirs}{name}\.1\.(.*)', rf'{ours}.branches.0.0.finish.inner.\1')]
    return tuple(rules)


_IMAGE = (_conv('vis_project', 'visual.branches.0.0'), *_attention(r'image_lang_att\.'),
          _conv('project_mm', 'fused.branches.0.0'))
_TEMPORAL = (_conv('temporal_vis_project', 'visual.branches.0.0'), *_attention(r'temporal_image_lang_att\.'),
             _conv('project_temporal_mm', 'fused.branches.0.0'))
_FUSE = (_conv('vis_fuse', 'visual.reduce'), _conv('f_fuse', 'query.reduce'))


def _temporal(place: str, suffix: str = '', parts: str = 'vq') -> tuple[Rule, ...]:
    """Temporal convolutions of the visual input and of the query, at a place in our branches."""
    names = dict(v=(f'temporal_vis_project{suffix}', 'visual'), q=(f'f_query_t{suffix}', 'query'))
    return tuple(_conv(theirs, f'{ours}.branches.{place}') for theirs, ours in (names[part] for part in parts))


def _spatial(place: str, suffix: str = '', parts: str = 'vq') -> tuple[Rule, ...]:
    """Spatial convolutions of the visual input and of the query, at a place in our branches."""
    names = dict(v=(f'spatial_vis_project{suffix}', 'visual'), q=(f'f_query_s{suffix}', 'query'))
    return tuple(_conv(theirs, f'{ours}.branches.{place}') for theirs, ours in (names[part] for part in parts))


def _branch_gates() -> tuple[Rule, ...]:
    return tuple(Rule(rf'{of}_gate_{what}\.{i}\.weight', f'{part}.gates.{branch}.{name}.weight')
                 for branch, of in enumerate('ts') for what, part in (('v', 'visual'), ('q', 'query'))
                 for i, name in ((0, 'first'), (2, 'second')))


_SEPARABLE = tuple(_conv(f'{theirs}_{of}', f'{ours}.branches.{branch}.0')
                   for theirs, ours in (('W', 'attended'), ('project_mm', 'fused')) for branch, of in enumerate('ts'))
_COMMON = (*_IMAGE, *_attention(''), *_SEPARABLE, *_FUSE, *_branch_gates())

PIXEL_WORD_RULES: dict[str, tuple[Rule, ...]] = {
    'separable': (*_temporal('0.0'), *_spatial('1.0'), *_COMMON),
    'separable_query': (*_temporal('0.0', parts='q'), *_spatial('0.0', parts='v'), *_spatial('1.0', parts='q'),
                        *_COMMON),
    'sequential': (*_temporal('0.1'), *_spatial('0.0'), *_COMMON),
    'sequential_parallel': (*_temporal('0.1', '_q'), *_spatial('0.0', '_q'), *_spatial('1.0'), *_COMMON),
    'sequential_parallel_query': (*_temporal('0.1', '_q', 'q'), *_spatial('0.0', '_q', 'q'),
                                  *_spatial('0.0', parts='v'), *_spatial('1.0', parts='q'), *_COMMON),
    'image': _COMMON,
    'temporal': (*_TEMPORAL, *_COMMON),
    'temporal_all': (*_TEMPORAL, *_COMMON),
    'paired': (*nested(_TEMPORAL, '', 'temporal.'), *nested(_IMAGE, '', 'spatial.'),
               _conv('out_reduce', 'reduce')),
    'sentence': (*(_linear(rf'image_lang_att\.project\.{i}', f'sentence.{i}') for i in (0, 2)), *_IMAGE),
    'collect_diffuse': (
        *(_linear(rf'lang_gen\.project\.{i}', f'sentence.{i}') for i in (0, 2)), _linear(r'mm_gen\.0', 'fuse'),
        _linear('query', 'query'), _linear('key_c', 'collect_key'), _linear('key_d', 'diffuse_key'),
        _linear('value', 'value')),
    'co_attention': (
        Rule(r'project\.0\.(weight|bias)', r'sentence_fuse.\1', clip_kernel), _linear(r'lang_project\.0', 'words'),
        _conv(r'image_lang_att\.f_query', 'visual'), _conv(r'image_lang_att\.f_key', 'language'),
        Rule(r'image_lang_att\.W\.0\.(weight|bias)', r'join.\1')),
}
"""Fusion modules, by the variant of :class:`PixelWordAttention` or the kind of another module."""


def backbone_rules(variant: str) -> tuple[Rule, ...]:
    """Rules of a language-aware backbone with fusions of one variant."""
    return (*_numbered(PIXEL_WORD_RULES[variant], r'layers\.(?P<stage>\d+)\.fusion\.', r'fusions.\g<stage>.'),
            Rule(r'layers\.(\d+)\.res_gate\.(\d)\.weight', r'gates.\1.\2.weight'),
            *nested(VIDEO_SWIN_RULES, '', 'swin.'))  # those of image Swin among them


def _numbered(rules: tuple[Rule, ...], source: str, target: str) -> tuple[Rule, ...]:
    """Rules of a part, for numbered copies of it; the number is the first group of the pattern."""
    return tuple(Rule(rf'{source}{rule.pattern}', target + rule.target.replace(r'\1', r'\2'), rule.change)
                 for rule in rules)


def _decoder_rules() -> tuple[Rule, ...]:
    rules = []
    for level in (4, 3, 2):
        for k in (1, 2):
            ours = f'levels.{4 - level}.{k - 1}'
            rules += [Rule(rf'conv{k}_{level}\.weight', f'{ours}.0.weight'),
                      Rule(rf'bn{k}_{level}\.(.*)', rf'{ours}.1.\1')]
    for i, (conv, norm) in enumerate((('conv2_1', 'bn1_1'), ('conv1_0', 'bn1_0'))):
        rules += [Rule(rf'{conv}\.weight', f'refine.{i}.0.weight'), Rule(rf'{norm}\.(.*)', rf'refine.{i}.1.\1')]
    return (*rules, Rule(r'conv1_1\.(weight|bias)', r'logits.\1'))


DECODER_RULES = _decoder_rules()
TEXT_RULES = (NO_POOLER, *BERT_RULES)


def _block(theirs: str, ours: str, conv: int = 0) -> tuple[Rule, ...]:
    """Convolution and batch norm at ``conv`` and ``conv + 1`` of a sequence, which become 0 and 1."""
    return (Rule(rf'{theirs}\.{conv}\.weight', f'{ours}.0.weight'),
            Rule(rf'{theirs}\.{conv + 1}\.(.*)', rf'{ours}.1.\1'))


LTS_RULES: tuple[Rule, ...] = (
    *(_linear(rf'lang_gen\.project\.{i}', f'sentence.{i}') for i in (0, 2)),
    _linear(r'lang_proj\.0', 'sentence_projection.0'), _linear('lang_filter', 'filter'),
    *(Rule(rf'{theirs}\.0\.weight', f'{ours}.0.weight') for theirs, ours in (
        ('vis_proj', 'deepest'), ('conv4', 'conv4'), ('conv3_v', 'skip3'), ('conv3', 'conv3'), ('conv2_v', 'skip2'))),
    *(rule for i in range(4) for rule in _block(rf'aspp\.convs\.{i}', f'pyramid.branches.{i}')),
    *_block(r'aspp\.convs\.4', 'pyramid.mean', conv=1), *_block(r'aspp\.project', 'pyramid.join'),
    Rule(r'conv1_1\.(weight|bias)', r'logits.\1'),
)

VLT_RULES: tuple[Rule, ...] = (
    *_block('vis_reduce_chann_1', 'deepest.0'), *_block('vis_reduce_chann_1', 'deepest.1', conv=3),
    *_block('vis_reduce_chann_2', 'skip3'), *_block('fuse_1_2', 'fuse3'),
    *_block('vis_reduce_chann_3', 'skip2'), *_block('fuse_2_3', 'fuse2'),
    *_block('hallucinate_result_of_23', 'hallucinate.0'), *_block('hallucinate_result_of_23', 'hallucinate.1', conv=3),
    *_block('project_again', 'fuse_again'), *_block('fuse_again', 'fuse_deep'), *_block('last_project', 'memory'),
    _linear(r'lang_proj\.0', 'sentence.0'), Rule(r'lang_proj\.1\.(.*)', r'sentence.1.\1'),
    Rule(r'joint_threshold\.0\.(.*)', r'joint.0.\1'),
    *(rule for i in range(3) for rule in _block(r'query_generation\.project_1', f'queries.convs.{i}', conv=3 * i)),
    Rule(r'query_generation\.project_2\.weight', 'queries.maps.weight'),
    _linear(r'query_generation\.project_query\.0', 'queries.query'),
    _linear(r'query_generation\.project_lang\.0', 'queries.words'),
    Rule(r'query_generation\.query_gen\.(.*)', r'queries.attention.\1'),
    Rule(r'transformer_fusion\.transformer_(encoder|decoder)\.(.*)', r'\1.\2'),
    _linear(r'query_balancing\.not_decoded_query_proj\.0', 'before'),
    _linear(r'query_balancing\.decoded_query_proj\.0', 'after'),
    *(_linear(rf'query_balancing\.gate_proj\.{i}', f'balance.{i}') for i in (0, 2)),
    _linear(r'q_to_spatial\.0', 'layout'), *_block('spatial_refine', 'refine'),
    *(rule for i, name in enumerate(('1_4', '2_4', '1_3', '1_2', '1_1')) for rule in (
        Rule(rf'decoding\.conv{name}\.weight', f'upwards.{i}.0.weight'),
        Rule(rf'decoding\.bn{name}\.(.*)', rf'upwards.{i}.1.\1'))),
    Rule(r'decoding\.classifier\.(weight|bias)', r'logits.\1'),
)


def lavt_rules(variant: str | None, decoder: tuple[Rule, ...] = DECODER_RULES) -> tuple[Rule, ...]:
    """Rules of a whole network, with fusions of one variant or with a plain Swin (None)."""
    backbone = VIDEO_SWIN_RULES if variant is None else backbone_rules(variant)
    return (*nested(backbone, r'backbone\.', 'backbone.'), *nested(decoder, r'classifier\.', 'decoder.'),
            *nested(TEXT_RULES, r'text_encoder\.', 'text_encoder.'))


# ------------------------------------------------------------ files


@dataclass(frozen=True)
class LavtFormat(WeightFormat):
    """Files of LAVT. Those of its first form hold two state dicts, ``model`` and ``bert_model``; a bare state dict (a
    list of names and shapes) may be one of the two alone."""

    def tensors(self, content: Any) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Tensors of both halves, those of the text encoder under ``text_encoder.``.

        Raises:
            ConversionError: a file of two halves lacks the second.
        """
        state = weights_of(content)
        if isinstance(content.get('model'), Mapping) and self.name == 'lavt':
            if not isinstance(content.get('bert_model'), Mapping):
                raise ConversionError('expected the text encoder under "bert_model" beside the network under "model", '
                                      f'found {sorted(map(str, content))}; a file with both in one is of lavt_one')
            state.update(_under_text_encoder(weights_of(content['bert_model'])))
        elif 'embeddings.word_embeddings.weight' in state:
            state = _under_text_encoder(state)
        return state, {}

    def keep_for(self, state: Mapping[str, Tensor]) -> tuple[Keep, ...]:
        """As the base; of a half alone, also the tensors of the other one."""
        text = [name.startswith('text_encoder.') for name in state]
        if self.name != 'lavt' or (any(text) and not all(text)):
            return self.keep
        return (*self.keep, Keep(r'(?!text_encoder\.).*' if all(text) else r'text_encoder\..*',
                                 'of the other half: convert it from a file that holds both'))


def _under_text_encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f'text_encoder.{name}': value for name, value in state.items()}


def _settings(kind: str, swin: Callable[[Mapping[str, Tensor]], dict[str, Any]], *, text_in_eval: bool
              ) -> Callable[[Mapping[str, Tensor]], dict[str, Any]]:
    """What names and shapes tell of the settings of a network: those of its Swin, if they are of it."""
    def told(state: Mapping[str, Tensor]) -> dict[str, Any]:
        prefix = 'backbone.swin.'
        parts = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        found = dict(type=kind, text_encoder=dict(stays_in_eval=text_in_eval))
        if not parts and kind == 'LAVT' and 'text_encoder.model.embeddings.word_embeddings.weight' in state:
            return found  # the text encoder alone
        return dict(**found, backbone=dict(type='LanguageAwareSwin', swin=swin(parts)))

    return told


def _format(name: str, about: str, variant: str, settings: Callable) -> LavtFormat:
    rules = (Rule(r'backbone\.layers\.3\.res_gate\..*', Drop('the last gate, which reaches no output')),
             *lavt_rules(variant), Rule(r'((?:backbone\.(?:swin|fusions|gates)|decoder)\..*)', r'\1'))
    return LavtFormat(name=name, about=about, part='model', rules=rules, keep=(BATCH_NORM_KEPT, TOKENIZER_KEPT),
                      settings=settings, configs='_base_/models/lavt_*.py')


LAVT = _format('lavt', 'LAVT as its authors released it, network and text encoder side by side', 'image',
               _settings('LAVT', swin_settings, text_in_eval=True))
LAVT_ONE = _format('lavt_one', 'LAVT-One as its authors released it', 'image',
                   _settings('LAVT', swin_settings, text_in_eval=False))
LAVT_VIDEO = _format('lavt_video', 'LAVT-Video as its authors released it', 'separable',
                     _settings('LAVTVideo', video_swin_settings, text_in_eval=False))

FORMATS = (LAVT, LAVT_ONE, LAVT_VIDEO)
