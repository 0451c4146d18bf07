"""From the queries of ReferFormer to masks, boxes and scores in the original frame (Wu et al., CVPR 2022, section 3.5).

Two protocols. *Track* (Ref-YouTube-VOS, Ref-DAVIS): one query stands for the referent in all frames of a clip.
*Candidates* (A2D-Sentences, JHMDB-Sentences, RefCOCO): all queries of one frame are kept with their scores.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmlvs.io.masks import encode_rle
from mmlvs.structures import ClipCodec

Size = tuple[int, int]


@dataclass
class Track:
    """One expression in one clip.

    Attributes:
        query: the query that stands for the referent.
        query_scores: (q,) score of every query over the clip.
        masks: (K, H, W) bool at original size.
        scores: (K,) score of the query in every frame.
        boxes: (K, 4) x1, y1, x2, y2 in pixels of the original frame.
        prob: (K, H, W) float mask probabilities, when asked for.
    """

    query: int
    query_scores: Tensor
    masks: Tensor
    scores: Tensor
    boxes: Tensor
    prob: Tensor | None = None


@dataclass
class Candidates:
    """All queries of one expression in one frame.

    Attributes:
        scores: (q,) in 0..1.
        labels: (q,) int64, always 1: "the referent".
        masks: (q, H, W) bool at original size.
        boxes: (q, 4) x1, y1, x2, y2 in pixels of the original frame.
    """

    scores: Tensor
    labels: Tensor
    masks: Tensor
    boxes: Tensor

    def by_score(self) -> 'Candidates':
        """The same, from the highest to the lowest score; equal scores keep their order."""
        order = self.scores.argsort(descending=True, stable=True)
        return replace(self, scores=self.scores[order], labels=self.labels[order], masks=self.masks[order],
                       boxes=self.boxes[order])

    def run_lengths(self) -> list[dict]:
        """Masks as COCO run lengths, ``dict(size=[H, W], counts=str)`` each."""
        return [encode_rle(mask) for mask in self.masks.cpu().numpy()]


def choose_query(logits: Tensor) -> tuple[Tensor, int]:
    """The query with the highest score over a clip.

    Args:
        logits: (T, q, K) class logits of one expression, T >= 1.

    Returns:
        Scores (q,): mean over frames of the probabilities, then maximum over classes; and the index of the best (the
        first of equal ones).

    Raises:
        ValueError: there is no frame or no query.
    """
    if logits.dim() != 3 or 0 in logits.shape:
        raise ValueError(f'choose_query: expected class logits (T, q, K), none of them 0; found {tuple(logits.shape)}')
    scores = logits.sigmoid().mean(dim=0).amax(dim=-1)  # T q K -> q K -> q
    best = int((scores == scores.max()).nonzero()[0, 0]) if not scores.isnan().any() else -1
    if best < 0:
        raise ValueError('choose_query: class logits hold NaN; the network has diverged or its weights are broken')
    return scores, best


def predict_track(logits: Tensor, boxes: Tensor, masks: Tensor, *, codec: ClipCodec, img_shape: Size, ori_shape: Size,
                  query: int | None = None, threshold: float = 0.5, return_prob: bool = False) -> Track:
    """Choose a query for a clip and bring its masks and boxes to the original frame.

    The clip is the scope of the choice: the whole video (Ref-YouTube-VOS) or a chunk of 36 frames (Ref-DAVIS).

    Args:
        logits: (K, q, classes) class logits of one expression in its K predicted frames.
        boxes: (K, q, 4) cx, cy, w, h relative to the unpadded frame.
        masks: (K, q, h, w) mask logits on the network's grid.
        codec: knows the way back to the original size (``way_back='direct'``: as published).
        img_shape, ori_shape: unpadded network size and original size (height, width).
        query: take this query instead of choosing (a track carried on from an earlier clip).
        threshold: of the mask probability, strict.
        return_prob: keep the probabilities.

    Raises:
        ValueError: shapes do not fit, or there is no such query.
    """
    _check(logits, boxes, masks, axes='K q')
    scores, best = choose_query(logits)
    query = best if query is None else query
    if not 0 <= query < logits.shape[1]:
        raise ValueError(f'predict_track: query {query}, the network has {logits.shape[1]}')
    way = dict(img_shape=img_shape, ori_shape=ori_shape, threshold=threshold)
    prob = codec.restore_masks(masks[:, query], return_prob=True, **way) if return_prob else None
    found = prob > threshold if prob is not None else codec.restore_masks(masks[:, query], **way)
    return Track(query=query, query_scores=scores, masks=found, scores=logits[:, query].sigmoid().amax(dim=-1),
                 boxes=codec.restore_boxes(boxes[:, query], ori_shape=ori_shape), prob=prob)


def predict_candidates(logits: Tensor, boxes: Tensor, masks: Tensor, *, codec: ClipCodec, img_shape: Size,
                       ori_shape: Size, threshold: float = 0.5) -> Candidates:
    """Keep all queries of one frame, in query order.

    Args:
        logits: (q, classes) class logits of one expression in one frame.
        boxes: (q, 4) cx, cy, w, h relative to the unpadded frame.
        masks: (q, h, w) mask logits on the network's grid.
        codec: knows the way back (``way_back='upsample_crop_nearest'``: as published).
        img_shape, ori_shape: unpadded network size and original size (height, width).
        threshold: of the mask probability, strict.

    Raises:
        ValueError: shapes do not fit.
    """
    _check(logits, boxes, masks, axes='q')
    found = codec.restore_masks(masks, img_shape=img_shape, ori_shape=ori_shape, threshold=threshold)
    return Candidates(scores=logits.sigmoid().amax(dim=-1),
                      labels=torch.ones(len(logits), dtype=torch.long, device=logits.device), masks=found,
                      boxes=codec.restore_boxes(boxes, ori_shape=ori_shape))


def _check(logits: Tensor, boxes: Tensor, masks: Tensor, *, axes: str) -> None:
    lead = len(axes.split())
    shapes = tuple(logits.shape), tuple(boxes.shape), tuple(masks.shape)
    fits = (logits.dim() == lead + 1 and boxes.dim() == lead + 1 and masks.dim() == lead + 2 and boxes.shape[-1] == 4
            and shapes[0][:lead] == shapes[1][:lead] == shapes[2][:lead])
    if not fits:
        raise ValueError(f'expected logits ({axes} classes), boxes ({axes} 4), masks ({axes} h w) of the same {axes}; '
                         f'found {shapes[0]}, {shapes[1]}, {shapes[2]}')
