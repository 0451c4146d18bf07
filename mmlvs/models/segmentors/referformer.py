"""ReferFormer (Wu et al., Language as Queries for Referring Video Object Segmentation, CVPR 2022)."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.decoders.cross_modal_fpn import Words
from mmlvs.models.decoders.deformable_transformer import DecoderOutput, LevelTokens
from mmlvs.models.layers import FeatureResizer, FramePositionEncoding, TextPositionEncoding
from mmlvs.models.layers.group_norm import GroupNorm
from mmlvs.models.layers.mlp import MLP
from mmlvs.models.layers.vision_language_attention import VisionLanguageFusion
from mmlvs.models.segmentors.base import Inputs, Samples, VideoSegmentor
from mmlvs.models.segmentors.referformer_postprocess import predict_candidates, predict_track
from mmlvs.models.segmentors.referformer_targets import key_frames_of, row_targets
from mmlvs.models.text_encoders import TextFeatures
from mmlvs.registry import MODELS
from mmlvs.structures import VideoSegDataSample
from mmlvs.utils import build, tap

QUERY_CHOICES = ('video', 'clip', 'first')


@dataclass
class VideoFeatures:
    """What is known of B clips before any text.

    Attributes:
        maps: (B, T, C_i, h, w) of the backbone at strides 4, 8, 16, 32.
        levels: (B, T, C, h, w) projected to the transformer's width, at strides 8, 16, 32, 64.
        paddings: (B, T, h, w) bool at strides 4, 8, 16, 32, 64; True = padding.
        positions: (B, T, C, h, w) at the same strides; T = 1 when it is the same in all frames.
        padded: whether anything may be padding at all.
    """

    maps: list[Tensor]
    levels: list[Tensor]
    paddings: list[Tensor]
    positions: list[Tensor]
    padded: bool


@dataclass
class Expressions:
    """E expressions in the transformer's width: words with position and padding, and the sentence (E, C)."""

    words: Words
    sentence: Tensor

    def __getitem__(self, rows: slice) -> 'Expressions':
        words = self.words
        words = Words(words=words.words[rows], position=words.position[rows], padding=words.padding[rows])
        return Expressions(words=words, sentence=self.sentence[rows])


@MODELS.register_module()
class ReferFormer(VideoSegmentor):
    """The sentence is the content of a few queries, the same in all frames; query k is one track through the clip.

    Steps, in the paper's order: :meth:`encode_video`, :meth:`encode_text`, :meth:`fuse`, :meth:`decode`, :meth:`heads`.
    What needs no text runs once a clip; the rest once for every (clip, expression) row.

    Args:
        backbone: clips (B, T, 3, H, W) to four maps at strides 4, 8, 16, 32, with ``out_channels``.
        text_encoder: expressions to :class:`TextFeatures`, with ``out_channels``.
        transformer: :class:`DeformableTransformer`; its ``channels`` is the width C everywhere.
        pixel_decoder: :class:`CrossModalFPN`; ``in_channels`` and ``channels`` follow from the parts before.
        mask_head: :class:`DynamicMaskHead`; ``query_channels`` and ``mask_channels`` follow from the parts before.
        criterion: called as ``criterion(outputs, targets, batch_input_shape)``; needed for training only.
        num_queries: q, queries of a frame.
        num_classes: K of the class head; 1 = referred or not.
        fusion_heads: heads of the text fusion.
        projection_groups: groups of the group norms after the input projections.
        text_dropout: dropout of the text projection.
        query_choice: scope in which one query is chosen for an expression: ``'video'`` (the clip is the whole video,
            Ref-YouTube-VOS), ``'clip'`` (anew in every clip, Ref-DAVIS), ``'first'`` (in the first clip of a video;
            later clips keep it).
        mask_threshold: of the mask probability.
        probabilities: attach mask probabilities (``pred_prob``) at original size (merging of Ref-DAVIS).
        candidates: attach all queries of every predicted frame to the samples (mAP of A2D and JHMDB).
        max_expressions: rows that pass the transformer at once; None = all.
        data_preprocessor, init_cfg: as for :class:`VideoSegmentor`.

    Raises:
        ValueError: unknown ``query_choice``, or counts below 1.
    """

    def __init__(self, *, backbone: dict | nn.Module, text_encoder: dict | nn.Module, transformer: dict | nn.Module,
                 pixel_decoder: dict | nn.Module, mask_head: dict | nn.Module,
                 criterion: dict | nn.Module | None = None, num_queries: int = 5, num_classes: int = 1,
                 fusion_heads: int = 8, projection_groups: int = 32, text_dropout: float = 0.1,
                 query_choice: str = 'video', mask_threshold: float = 0.5, probabilities: bool = False,
                 candidates: bool = False, max_expressions: int | None = None,
                 data_preprocessor: dict | nn.Module | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if query_choice not in QUERY_CHOICES:
            raise ValueError(f'ReferFormer: query_choice {query_choice!r}, expected one of {QUERY_CHOICES}')
        if min(num_queries, num_classes, 1 if max_expressions is None else max_expressions) < 1:
            raise ValueError('ReferFormer: num_queries, num_classes and max_expressions must be at least 1')
        self.query_choice, self.mask_threshold, self.max_expressions = query_choice, mask_threshold, max_expressions
        self.probabilities, self.candidates = probabilities, candidates

        self.backbone = build(backbone, MODELS)
        self.text_encoder = build(text_encoder, MODELS)
        self.transformer = build(transformer, MODELS)
        channels, layers = self.transformer.channels, self.transformer.num_layers
        widths = list(self.backbone.out_channels)
        self.text_projection = FeatureResizer(in_channels=self.text_encoder.out_channels, out_channels=channels,
                                              dropout=text_dropout)
        self.text_position = TextPositionEncoding(num_features=channels)
        self.frame_position = FramePositionEncoding(num_features=channels // 2)
        self.input_projections = nn.ModuleList(_projections(widths, channels, self.transformer.num_levels,
                                                            projection_groups))
        self.fusion = VisionLanguageFusion(channels=channels, num_heads=fusion_heads)
        self.query_position = nn.Parameter(torch.randn(num_queries, channels))
        self.class_heads = _class_heads(channels, num_classes, layers, shared=not self.transformer.refine)
        self.box_heads = _box_heads(channels, layers, shared=not self.transformer.refine)
        self.pixel_decoder = build(pixel_decoder, MODELS, channels=channels,
                                   in_channels=[widths[0], *[channels] * (len(widths) - 1)])
        self.mask_head = build(mask_head, MODELS, query_channels=channels,
                               mask_channels=self.pixel_decoder.mask_features.out_channels)
        self.criterion = build(criterion, MODELS)

    # ------------------------------------------------------------ the network, step by step

    def encode_video(self, frames: Tensor, padding: Tensor, key_frames: Tensor | None = None) -> VideoFeatures:
        """Backbone, and projection of its maps to the levels of the transformer.

        Args:
            frames: (B, T, 3, H, W). padding: (B, T, H, W) bool, True = padding.
            key_frames: (B, K) frames of every clip to go on with; the backbone sees all. From here on T = K.
        """
        maps = [tap(f'backbone{i}', x) for i, x in enumerate(self.backbone(frames))]
        if key_frames is not None:
            clips = torch.arange(len(frames), device=frames.device)[:, None]  # B 1
            key_frames = key_frames.to(frames.device)
            maps, padding = [x[clips, key_frames] for x in maps], padding[clips, key_frames]
        levels = []
        for i, project in enumerate(self.input_projections):
            source = maps[min(i + 1, len(maps) - 1)]  # stride 64 is made from the stride-32 map of the backbone
            x = project(source.flatten(0, 1)).unflatten(0, source.shape[:2])  # B T C_i h w -> B T C h w
            levels.append(tap(f'proj{i}', x))
        sizes = [maps[0].shape[-2:], *(x.shape[-2:] for x in levels)]
        paddings = [_resize_padding(padding, size) for size in sizes]
        same, padded = False, True
        if not torch.compiler.is_compiling():  # a recorded network must not depend on what these clips are like
            same, padded = torch.equal(padding, padding[:, :1].expand_as(padding)), bool(padding.any())
        positions = [self.frame_position(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # B*T C h w -> B T C h w
                     for x in (x[:, :1] if same else x for x in paddings)]
        for i, (x, y) in enumerate(zip(paddings, positions, strict=True)):
            tap(f'pos{i}', y.expand(-1, tap(f'pad_mask{i}', x).shape[1], -1, -1, -1))
        return VideoFeatures(maps=maps, levels=levels, paddings=paddings, positions=positions, padded=padded)

    def encode_text(self, text: TextFeatures) -> Expressions:
        """Words and sentences in the transformer's width; the same projection serves both."""
        words = tap('word_features', self.text_projection(tap('text_words', text.words)))  # E L C
        sentence = tap('sentence_feature', self.text_projection(tap('text_sentence', text.sentence)))  # E C
        position = tap('text_pos', self.text_position(text.padding)).transpose(1, 2)  # E C L -> E L C
        return Expressions(words=Words(words=words, position=position, padding=text.padding), sentence=sentence)

    def fuse(self, video: VideoFeatures, text: Expressions, clip_of: Tensor) -> list[Tensor]:
        """Every level weighted by the words: (B, T, C, h, w) -> (E, T, C, h, w); one module for all levels."""
        fused = []
        for i, level in enumerate(video.levels):
            pixels = level.permute(0, 1, 3, 4, 2)[clip_of]  # B T C h w -> E T h w C
            words = text.words
            x = tap(f'fused{i}', self.fusion(pixels.flatten(1, 3), words.words, words.position, words.padding))
            fused.append(x.view(pixels.shape).permute(0, 1, 4, 2, 3))  # E T*h*w C -> E T C h w
        return fused

    def decode(self, fused: Sequence[Tensor], video: VideoFeatures, text: Expressions,
               clip_of: Tensor) -> tuple[DecoderOutput, list[Tensor]]:
        """Deformable transformer on every frame.

        Returns:
            Decoder output with N = E * T, and the memory (E, T, C, h, w) of strides 8, 16, 32.
        """
        frames = fused[0].shape[1]
        positions = [x[clip_of].expand(-1, frames, -1, -1, -1).flatten(0, 1)  # B T C h w -> E*T C h w
                     for x in video.positions[1:]]
        paddings = [x[clip_of].flatten(0, 1) for x in video.paddings[1:]]  # B T h w -> E*T h w
        levels: LevelTokens = self.transformer.join([x.flatten(0, 1) for x in fused], positions, paddings)
        if not video.padded:
            levels.padding = None
        memory = self.transformer.encode(levels)  # E*T S C
        content = text.sentence[:, None, None].expand(-1, frames, len(self.query_position), -1)  # E C -> E T q C
        content = content.flatten(0, 1)  # E*T q C
        output = self.transformer.decode(content, self.query_position, memory, levels, self.box_heads)
        tap('hs', output.states)
        tap('init_reference', output.initial_reference)
        tap('inter_references', output.references)
        maps = [x.unflatten(0, (len(clip_of), frames)) for x in levels.maps(memory)[:len(video.maps) - 1]]
        return output, maps

    def heads(self, output: DecoderOutput, memory: Sequence[Tensor], video: VideoFeatures, text: Expressions,
              clip_of: Tensor, sizes: Tensor, all_layers: bool = True) -> dict[str, Tensor]:
        """Classes, boxes and masks of the decoder layers (or of the last one only).

        Args:
            sizes: (E, 2) unpadded height, width. The rest: from the steps before.
        """
        rows, frames = memory[0].shape[:2]
        paddings = video.paddings if video.padded else [None] * len(video.paddings)
        features = self.pixel_decoder(video.maps[0], memory, video.positions, paddings, text.words, clip_of)
        tap('mask_features', features)  # E T m h w
        start = 0 if all_layers else len(output.states) - 1
        states = output.states[start:].unflatten(1, (rows, frames))  # layers E*T q C -> layers E T q C
        centres = output.references[start:, ..., :2].unflatten(1, (rows, frames))  # layers E T q 2
        logits = torch.stack([head(x) for head, x in zip(list(self.class_heads)[start:], states, strict=True)])
        return dict(pred_logits=logits, pred_boxes=output.boxes[start:].unflatten(1, (rows, frames)),
                    pred_masks=self.mask_head(states, features, centres, sizes))

    def forward_clip(self, frames: Tensor, padding: Tensor, sizes: Sequence[tuple[int, int]] | Tensor,
                     text: TextFeatures, clip_of: Tensor, key_frames: Tensor | None = None,
                     all_layers: bool = True) -> dict[str, Tensor]:
        """The whole network.

        Args:
            frames: (B, T, 3, H, W) normalised, zero where padded.
            padding: (B, T, H, W) bool, True = padding.
            sizes: unpadded (height, width) of every clip, or (B, 2).
            text: of the E rows.
            clip_of: (E,) clip of every row.
            key_frames: (B, K) frames to predict; None = all.
            all_layers: outputs of all decoder layers, or only of the last.

        Returns:
            ``pred_logits`` (layers, E, T, q, K), ``pred_boxes`` (layers, E, T, q, 4) cx, cy, w, h relative to the
            unpadded frame, ``pred_masks`` (layers, E, T, q, h, w) logits on the padded frame; in eval mode also
            ``reference_points`` (E, T, q, 2), the centres that enter the last layer.

        Raises:
            ValueError: text and ``clip_of`` differ in number.
        """
        if len(text) != len(clip_of):
            raise ValueError(f'{len(text)} expressions for {len(clip_of)} rows')
        if not len(text):  # nothing is asked: run one empty expression and keep none of its results
            width = text.words.shape[-1]
            text = TextFeatures(words=frames.new_zeros((1, 1, width)), sentence=frames.new_zeros((1, width)),
                                mask=torch.ones((1, 1), dtype=torch.bool, device=frames.device))
            one = self.forward_clip(frames, padding, sizes, text, clip_of.new_zeros(1), key_frames, all_layers)
            return _without_rows(one)
        clip_of = clip_of.to(frames.device)
        video = self.encode_video(frames, padding, key_frames)
        expressions = self.encode_text(text)
        all_sizes = torch.as_tensor(sizes, dtype=torch.float32, device=frames.device)[clip_of]  # E 2
        step = self.max_expressions or len(clip_of)
        parts = []
        for start in range(0, len(clip_of), step):
            rows = slice(start, start + step)
            part, clips = expressions[rows], clip_of[rows]
            output, memory = self.decode(self.fuse(video, part, clips), video, part, clips)
            outputs = self.heads(output, memory, video, part, clips, all_sizes[rows], all_layers)
            if not self.training:
                count = (len(clips), memory[0].shape[1])
                outputs['reference_points'] = output.entering_centre().unflatten(0, count)[None]  # 1 E T q 2
            parts.append(outputs)
        joined = {name: torch.cat([part[name] for part in parts], dim=1) if len(parts) > 1 else value
                  for name, value in parts[0].items()}
        if 'reference_points' in joined:
            joined['reference_points'] = joined['reference_points'][0]
        return joined

    # ------------------------------------------------------------ mmengine's doors

    def _forward(self, inputs: Inputs, data_samples: Samples | None = None,
                 all_layers: bool = True) -> dict[str, Tensor]:
        """Raw outputs of a batch, see :meth:`forward_clip`."""
        clips, texts, clip_of = inputs['img'], self.texts_of(data_samples), self.clip_of(data_samples)
        if texts:
            text = self.text_encoder(texts)
        else:  # nothing is asked: one token stands in, so that every weight takes part in every step
            token = torch.zeros((1, 1), dtype=torch.int64, device=clips.frames.device)
            text, clip_of = self.text_encoder.encode(token, token == 0), clip_of.new_zeros(1)
        outputs = self.forward_clip(clips.frames, clips.padding, clips.sizes, text, clip_of,
                                    key_frames_of(data_samples), all_layers)
        return outputs if texts else _without_rows(outputs)

    def loss(self, inputs: Inputs, data_samples: Samples) -> dict[str, Tensor]:
        """Weighted losses of all decoder layers.

        Raises:
            RuntimeError: there is no criterion.
        """
        if self.criterion is None:
            raise RuntimeError('ReferFormer was built without a criterion and cannot train; set `criterion`')
        outputs = self._forward(inputs, data_samples)
        clips = inputs['img']
        frames, classes = outputs['pred_logits'].shape[2], outputs['pred_logits'].shape[4]
        targets = row_targets(data_samples, clips.sizes, frames, with_labels=classes > 1)
        return self.criterion(outputs, targets, clips.padded_size)

    def predict(self, inputs: Inputs, data_samples: Samples) -> Samples:
        """Masks, scores and boxes of one query for every expression, at original size.

        Raises:
            ValueError: ``query_choice='video'`` and a clip is not a whole video.
            RuntimeError: ``query_choice='first'`` and the state of the clip before is missing.
        """
        outputs = {name: value[-1] for name, value in self._forward(inputs, data_samples, all_layers=False).items()
                   if name.startswith('pred_')}
        start = 0
        for sample, size in zip(data_samples, inputs['img'].sizes, strict=True):
            stop = start + sample.num_expressions
            frames = len(sample.scored_frames)
            rows = {name.removeprefix('pred_'): value[start:stop, :frames] for name, value in outputs.items()}
            self._predict_sample(sample, rows, tuple(size))
            start = stop
        return data_samples

    def _predict_sample(self, sample: VideoSegDataSample, rows: dict[str, Tensor], size: tuple[int, int]) -> None:
        meta = sample.metainfo
        way = dict(codec=self.data_preprocessor.codec, img_shape=size, ori_shape=tuple(meta['ori_shape']),
                   threshold=self.mask_threshold)
        known = self._known_queries(sample)
        per_row = [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]
        tracks = [predict_track(**row, **way, query=known.get(name), return_prob=self.probabilities)
                  for name, row in zip(meta['expression_ids'], per_row, strict=True)]
        count = (0, len(sample.scored_frames))
        empty = rows['boxes'].new_zeros
        sample.set_prediction(
            torch.stack([t.masks for t in tracks]) if tracks else empty((*count, *way['ori_shape']), dtype=torch.bool),
            scores=torch.stack([t.scores for t in tracks]) if tracks else empty(count),
            boxes=torch.stack([t.boxes for t in tracks]) if tracks else empty((*count, 4)))
        if self.probabilities:
            sample.pred_prob = (torch.stack([t.prob for t in tracks]) if tracks
                                else empty((*count, *way['ori_shape'])))
        if self.query_choice == 'first':
            sample.state = {name: t.query for name, t in zip(meta['expression_ids'], tracks, strict=True)}
        if self.candidates:
            sample.candidates = [[_candidates(row, frame, way) for frame in range(count[1])] for row in per_row]

    def _known_queries(self, sample: VideoSegDataSample) -> dict[str, int]:
        """Queries that are fixed before this clip, by expression id."""
        if self.query_choice == 'first':
            return self.state_of(sample)
        clip = sample.metainfo.get('clip', {})
        if self.query_choice == 'video' and not (clip.get('is_first', True) and clip.get('is_last', True)):
            raise ValueError('query_choice "video" needs the whole video in one clip, but video '
                             f'{sample.metainfo.get("video_id")!r} is cut into several; use "clip" or '
                             '"first", or do not cut it')
        return {}


def _candidates(row: dict[str, Tensor], frame: int, way: dict) -> dict:
    """All queries of one frame: ``scores`` (q,), ``boxes`` (q, 4) in pixels, ``masks`` as run lengths."""
    found = predict_candidates(**{name: value[frame] for name, value in row.items()}, **way)
    return dict(scores=found.scores.cpu(), boxes=found.boxes.cpu(), masks=found.run_lengths())


def _without_rows(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs of no expression, still connected to the network; see :meth:`ReferFormer.forward_clip` for the axes."""
    return {name: value[:0] if name == 'reference_points' else value[:, :0] for name, value in outputs.items()}


def _resize_padding(padding: Tensor, size: tuple[int, int]) -> Tensor:
    """Padding (B, T, H, W) of a map, by nearest resize: (B, T, h, w)."""
    return F.interpolate(padding.float(), size=tuple(size), mode='nearest').bool()


def _projections(widths: Sequence[int], channels: int, num_levels: int, groups: int) -> list[nn.Module]:
    """1x1 convolutions for strides 8, 16, 32, a 3x3 one with stride 2 for stride 64; with bias and group norm."""
    if num_levels not in (len(widths) - 1, len(widths)):
        raise ValueError(f'a backbone with {len(widths)} maps gives {len(widths) - 1} levels to the transformer, or '
                         f'one more with a coarser one; its num_levels is {num_levels}')
    layers = []
    for level in range(num_levels):
        if level + 1 < len(widths):
            conv = nn.Conv2d(widths[level + 1], channels, 1)
        else:
            conv = nn.Conv2d(widths[-1], channels, 3, stride=2, padding=1)
        nn.init.xavier_uniform_(conv.weight)
        nn.init.zeros_(conv.bias)
        layers.append(nn.Sequential(conv, GroupNorm(groups, channels)))
    return layers


def _per_layer(head: nn.Module, layers: int, shared: bool) -> nn.ModuleList:
    return nn.ModuleList([head] * layers if shared else [copy.deepcopy(head) for _ in range(layers)])


def _class_heads(channels: int, num_classes: int, layers: int, shared: bool) -> nn.ModuleList:
    """Linear heads that start equal, with probability 0.01."""
    head = nn.Linear(channels, num_classes)
    nn.init.constant_(head.bias, -math.log(99))
    return _per_layer(head, layers, shared)


def _box_heads(channels: int, layers: int, shared: bool) -> nn.ModuleList:
    """MLPs that start equal and change nothing, but the first starts with small boxes."""
    head = MLP(in_channels=channels, hidden_channels=channels, out_channels=4, num_layers=3)
    nn.init.zeros_(head.layers[-1].weight)
    nn.init.zeros_(head.layers[-1].bias)
    heads = _per_layer(head, layers, shared)
    nn.init.constant_(heads[0].layers[-1].bias[2:], -2)
    return heads
