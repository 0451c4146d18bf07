"""LAVT: language-aware vision Transformer (Yang et al., CVPR 2022)."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmlvs.models.backbones.language_aware_swin import LanguageAwareSwin, select_frames
from mmlvs.models.layers.resized_convolution import resize_aligned
from mmlvs.models.losses.pixel_criteria import IGNORED
from mmlvs.models.segmentors.base import Inputs, Samples, VideoSegmentor
from mmlvs.models.text_encoders import TextFeatures
from mmlvs.registry import MODELS
from mmlvs.structures import VideoSegDataSample
from mmlvs.utils import build, tap

SPACES = ('original', 'network')
Size = tuple[int, int]


def foreground(logits: Tensor, size: Size, frames_at_once: int = 8) -> tuple[Tensor, Tensor]:
    """Masks and probabilities of the referent at another size: the logits are resized, bilinear with aligned corners,
    and the larger one of the two wins.

    Args:
        logits: (K, 2, h, w) of background and referent.
        size: (H, W).
        frames_at_once: upper bound of frames brought to this size at a time.

    Returns:
        (K, H, W) bool and float.
    """
    masks, probs = [], []
    for block in logits.split(frames_at_once):
        block = resize_aligned(block, size)
        masks.append(block.argmax(dim=1).bool())
        probs.append(block.softmax(dim=1)[:, 1])
    empty = logits.new_zeros((0, *size))
    return (torch.cat(masks), torch.cat(probs)) if masks else (empty.bool(), empty)


@MODELS.register_module()
class LAVT(VideoSegmentor):
    """Words enter after every stage of the visual backbone; a light decoder makes the mask of what comes out.

    Frames are segmented alone. Steps in the paper's order: :meth:`encode_text`, :meth:`encode` (visual and linguistic
    features together), :meth:`decode`. With other parts it is one of the methods that LAVT was compared with: a plain
    :class:`SwinBackbone` with :class:`LTSDecoder` or :class:`VLTDecoder`.

    Args:
        backbone: :class:`LanguageAwareSwin`, or a backbone that sees no words.
        text_encoder: expressions to :class:`TextFeatures`, with ``out_channels``.
        decoder: maps, and words if its ``needs_text`` says so, to logits (N, 2, h, w); ``in_channels`` follow.
        criterion: called as ``criterion(logits, target)``, see :mod:`mmlvs.models.losses.pixel_criteria`; needed for
            training only.
        mask_space: size of predicted masks: ``'original'`` or ``'network'``, as RefCOCO and A2D are scored by LAVT.
        probabilities: attach mask probabilities (``pred_prob``).
        max_expressions: rows that pass the network at once in testing; None = all. In training they stay together,
            since statistics of batch norms are over them.
        data_preprocessor, init_cfg: as for :class:`VideoSegmentor`.

    Raises:
        ValueError: unknown ``mask_space``, ``max_expressions`` below 1, or a backbone that sees the frames of a clip
            together, which :class:`LAVTVideo` is for.
    """

    sees_clips = False
    """Whether the backbone may see the frames of a clip together."""

    def __init__(self, *, backbone: dict | nn.Module, text_encoder: dict | nn.Module, decoder: dict | nn.Module,
                 criterion: dict | nn.Module | None = None, mask_space: str = 'original', probabilities: bool = False,
                 max_expressions: int | None = None, data_preprocessor: dict | nn.Module | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        if mask_space not in SPACES:
            raise ValueError(f'{type(self).__name__}: mask_space {mask_space!r}, expected one of {SPACES}')
        if max_expressions is not None and max_expressions < 1:
            raise ValueError(f'{type(self).__name__}: max_expressions must be at least 1, found {max_expressions}')
        self.mask_space, self.probabilities, self.max_expressions = mask_space, probabilities, max_expressions
        self.text_encoder = build(text_encoder, MODELS)
        text = dict(text_channels=self.text_encoder.out_channels)
        self.backbone = build(backbone, MODELS, **_taken(backbone, text))
        if getattr(self.backbone, 'fuse_clip', False) and not self.sees_clips:
            raise ValueError(f'{type(self).__name__}: its frames are segmented alone, but the backbone sees those of a '
                             'clip together; take LAVTVideo')
        self.decoder = build(decoder, MODELS, in_channels=self.backbone.out_channels, **_taken(decoder, text))
        self.criterion = build(criterion, MODELS)

    # ------------------------------------------------------------ the network, step by step

    def encode_text(self, texts: Sequence[str]) -> TextFeatures:
        """Words of the E expressions, each encoded once: ``words`` (E, L, C)."""
        return self.text_encoder(texts)

    def encode(self, frames: Tensor, text: TextFeatures, clip_of: Tensor) -> list[Tensor]:
        """Maps of every row, finest first: (B, T, 3, H, W), E expressions -> (E, T, C_i, h, w)."""
        if isinstance(self.backbone, LanguageAwareSwin):
            return self.backbone(frames, text.words, text.mask, clip_of)
        return [x[clip_of] for x in self.backbone(frames)]

    def decode(self, maps: Sequence[Tensor], text: TextFeatures) -> Tensor:
        """Logits of background and referent on the decoder's grid, (E, T, C_i, h, w) -> (E, T, 2, h, w)."""
        rows, frames = maps[0].shape[:2]
        flat = [x.flatten(0, 1) for x in maps]  # E T C h w -> E*T C h w
        if self.decoder.needs_text:
            words, mask = (x.repeat_interleave(frames, dim=0) for x in (text.words, text.mask))  # E L . -> E*T L .
            return self.decoder(flat, words, mask).unflatten(0, (rows, frames))
        return self.decoder(flat).unflatten(0, (rows, frames))

    def segment(self, frames: Tensor, text: TextFeatures, clip_of: Tensor, key_frames: Tensor | None = None) -> Tensor:
        """The network behind the text encoder.

        Args:
            frames: (B, T, 3, H, W) normalised, without padding.
            text: of the E rows.
            clip_of: (E,) int64, clip of every row.
            key_frames: (B, K) frames to predict; None = all.

        Returns:
            Tensor: (E, K, 2, h, w) logits on the decoder's grid.
        """
        if key_frames is not None:
            frames = select_frames(frames, key_frames)
        return self.decode(self.encode(frames, text, clip_of), text)

    def forward_clip(self, frames: Tensor, text: TextFeatures, clip_of: Tensor,
                     key_frames: Tensor | None = None) -> Tensor:
        """Logits at the size of the frames, (E, K, 2, H, W); see :meth:`segment`.

        Raises:
            ValueError: text and ``clip_of`` differ in number.
        """
        if len(text) != len(clip_of):
            raise ValueError(f'{len(text)} expressions for {len(clip_of)} rows')
        bound, clip_of = None if self.training else self.max_expressions, clip_of.to(frames.device)
        step = bound or max(len(clip_of), 1)
        parts = [self.segment(frames, text[start:start + step], clip_of[start:start + step], key_frames)
                 for start in range(0, len(clip_of), step)]
        low = torch.cat(parts) if len(parts) != 1 else parts[0]
        return self.resize_logits(low.flatten(0, 1), tuple(frames.shape[-2:])).unflatten(0, low.shape[:2])

    def resize_logits(self, logits: Tensor, size: Size) -> Tensor:
        """From the decoder's grid to the frames, (N, 2, h, w) -> (N, 2, H, W)."""
        return resize_aligned(logits, size)

    # ------------------------------------------------------------ mmengine's doors

    def _forward(self, inputs: Inputs, data_samples: Samples | None = None) -> dict[str, Tensor]:
        """Logits by row, see :meth:`row_logits`."""
        return {f'logits{row}': value for row, value in enumerate(self.row_logits(inputs, data_samples))}

    def row_logits(self, inputs: Inputs, data_samples: Samples) -> list[Tensor]:
        """Logits of every row, (K, 2, H, W) at the unpadded size of its clip.

        Padding would enter every norm over a clip: clips of one size and length pass together, others after one
            another.
        """
        clips, clip_of = inputs['img'], self.clip_of(data_samples)
        if not len(clip_of):
            return []
        text = self.encode_text(self.texts_of(data_samples))
        tap('text_features', text.words)
        logits: list[Tensor | None] = [None] * len(clip_of)
        for members in _alike(inputs, data_samples):
            (height, width), length = clips.sizes[members[0]], clips.lengths[members[0]]
            rows = torch.cat([(clip_of == clip).nonzero()[:, 0] for clip in members])
            if not len(rows):
                continue
            place = torch.tensor([members.index(clip) for clip in clip_of[rows].tolist()])
            key = None
            if data_samples[members[0]].is_key_frame_item:
                key = torch.tensor([data_samples[clip].scored_frames for clip in members], device=clips.frames.device)
            found = self.forward_clip(clips.frames[members, :length, :, :height, :width], _rows(text, rows), place, key)
            for row, value in zip(rows.tolist(), found, strict=True):
                logits[row] = value
        return logits

    def loss(self, inputs: Inputs, data_samples: Samples) -> dict[str, Tensor]:
        """Losses of the annotated frames of all rows, mean over frames.

        Raises:
            RuntimeError: there is no criterion.
        """
        if self.criterion is None:
            raise RuntimeError(f'{type(self).__name__} was built without a criterion and cannot train; set `criterion`')
        logits = self.row_logits(inputs, data_samples)
        owners = [(sample, n) for sample in data_samples for n in range(sample.num_expressions)]
        alike: dict[Size, list[tuple[Tensor, Tensor]]] = {}
        for value, (sample, n) in zip(logits, owners, strict=True):
            frames, target = row_target(sample, n, tuple(value.shape[-2:]))
            if len(target):
                alike.setdefault(tuple(value.shape[-2:]), []).append((value[frames], target))
        if not alike:  # nothing is asked: no loss, but every weight takes part, as several processes need it
            return dict(loss_mask=sum(0.0 * weight.sum() for weight in self.parameters() if weight.requires_grad))
        groups = [tuple(torch.cat(parts) for parts in zip(*pairs, strict=True)) for pairs in alike.values()]
        total, losses = sum(len(target) for _, target in groups), {}
        for value, target in groups:
            for name, term in self.criterion(value, target).items():
                losses[name] = losses.get(name, 0.0) + term * (len(target) / total)
        return losses

    def predict(self, inputs: Inputs, data_samples: Samples) -> Samples:
        """Masks of every expression in its predicted frames, with the mean probability of their pixels as score."""
        logits = iter(self.row_logits(inputs, data_samples))
        for sample in data_samples:
            meta = sample.metainfo
            size = tuple(meta['ori_shape' if self.mask_space == 'original' else 'img_shape'])
            count = (0, len(sample.scored_frames))
            device = inputs['img'].frames.device
            masks, scores = torch.zeros((*count, *size), device=device).bool(), torch.zeros(count, device=device)
            found = [self._mask_of(next(logits), size) for _ in range(sample.num_expressions)]
            if found:
                masks, scores = (torch.stack([row[i] for row in found]) for i in (0, 1))
            sample.set_prediction(masks, scores=scores, space=self.mask_space)
            if self.probabilities:
                sample.pred_prob = torch.stack([row[2] for row in found]) if found else masks.float()
        return data_samples

    def _mask_of(self, logits: Tensor, size: Size) -> tuple[Tensor, Tensor, Tensor | None]:
        """Masks and probabilities (K, H, W) of a row (None unless they are kept), and the mean of each mask (K,)."""
        mask, prob = foreground(logits, size, self.data_preprocessor.codec.frames_at_once)
        score = (prob * mask).sum(dim=(1, 2)) / mask.sum(dim=(1, 2)).clamp(min=1)
        return mask, score, prob if self.probabilities else None


def row_target(sample: VideoSegDataSample, expression: int, size: Size) -> tuple[list[int], Tensor]:
    """Positions among the predicted frames that are annotated, and their targets: int64 (n, H, W), 1 = referent, void
    pixels ``IGNORED``.

    Raises:
        ValueError: ground truth of another size than the frames.
    """
    target = sample.target(expression)  # T H W
    if tuple(target.shape[-2:]) != size:
        raise ValueError(f'ground truth of video {sample.metainfo.get("video_id")!r} has {tuple(target.shape[-2:])} '
                         f'pixels, its frames have {size}; training needs both at the same size')
    scored = sample.scored_frames
    known = sample.gt_annotated.tolist() if 'gt_annotated' in sample else [True] * len(target)
    kept = [k for k, frame in enumerate(scored) if known[frame]]
    chosen = [scored[k] for k in kept]
    classes = target[chosen].long()
    if 'gt_ignore' in sample:
        classes = classes.masked_fill(sample.gt_ignore[chosen].to(classes.device) > 0, IGNORED)
    return kept, classes


def _alike(inputs: Inputs, samples: Samples) -> list[list[int]]:
    """Clips of one size, length and number of key frames, in groups."""
    groups: dict[tuple, list[int]] = {}
    clips = inputs['img']
    for clip, sample in enumerate(samples):
        keys = len(sample.scored_frames) if sample.is_key_frame_item else None
        groups.setdefault((tuple(clips.sizes[clip]), clips.lengths[clip], keys), []).append(clip)
    return list(groups.values())


def _rows(text: TextFeatures, rows: Tensor) -> TextFeatures:
    rows = rows.to(text.words.device)
    return TextFeatures(words=text.words[rows], sentence=text.sentence[rows], mask=text.mask[rows])


def _taken(setting: dict | nn.Module, values: dict) -> dict:
    """Those of the values that a constructor takes."""
    if not isinstance(setting, dict):
        return {}
    kind = setting['type']
    taken = inspect.signature(MODELS.get(kind) if isinstance(kind, str) else kind).parameters
    return {name: value for name, value in values.items() if name in taken}
