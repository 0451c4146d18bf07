"""IoU of key frames and images: RefCOCO, Locater's sets, A2D- and JHMDB-Sentences."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mmlvs.evaluation.functional.candidates import COCO_NUMBERS, ImageCandidates, average_precision, image_candidates
from mmlvs.evaluation.functional.referring import CONVENTIONS, IoUSummary, box_areas, iou_summary
from mmlvs.evaluation.metrics.video_metric import Key, VideoMetric
from mmlvs.io.masks import encode_rle
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample


def _check(convention: str) -> None:
    if convention not in CONVENTIONS:
        raise ValueError(f'convention {convention!r}: expected one of {sorted(CONVENTIONS)}')


def _percentages(found: IoUSummary, convention: str) -> dict[str, float]:
    """``P@0.5`` ... , their mean ``P@mean``, overall and mean IoU, times 100."""
    overall, mean = ('cIoU', 'gIoU') if convention == 'ciou_giou' else ('oIoU', 'mIoU')
    out = {f'P@{limit}': value for limit, value in zip(CONVENTIONS[convention].thresholds, found.precision.tolist(),
                                                       strict=True)}
    out |= {'P@mean': float(found.precision.mean()), overall: found.overall_iou, mean: found.mean_iou}
    return {name: 100 * value for name, value in out.items()}


def _annotated(sample: VideoSegDataSample) -> list[int]:
    annotated = sample.gt_annotated.cpu().numpy()
    return [t for t in sample.scored_frames if annotated[t]]


def _truth_box(sample: VideoSegDataSample, expression: int, t: int) -> list[float]:
    """Box x1, y1, x2, y2 around the objects of an expression in a frame; zeros where it shows none."""
    objects = [o for o in sample.gt_objects[expression] if sample.gt_valid[o, t]]
    boxes = sample.gt_boxes[objects, t]  # O 4
    return [*boxes[:, :2].amin(dim=0).tolist(), *boxes[:, 2:].amax(dim=0).tolist()] if objects else [0.0] * 4


@METRICS.register_module()
class IoUMetric(VideoMetric):
    """P@0.5 to P@0.9, overall and mean IoU of (frame, expression) pairs, times 100.

    Every annotated key frame of every expression is one sample; prediction and truth must have one size (LAVT compares
    at 480 x 480: let the data set give the truth at that size). Of boxes, P@0.5 is the score of referring expression
    comprehension (REC); the truth is the box around the objects of the expression.

    Results: ``P@0.5`` ..., ``P@mean`` (Locater prints it as mAP), ``oIoU``, ``mIoU`` (``cIoU``, ``gIoU`` in the
    convention ``ciou_giou``).

    Args:
        convention: the small print: ``'lavt'``, ``'referformer'``, ``'locater'`` or ``'ciou_giou'``
            (:data:`mmlvs.evaluation.functional.referring.CONVENTIONS`).
        of: ``'mask'`` or ``'box'``.
        prefix, collect_device: as in VideoMetric.

    Raises:
        ValueError: a setting is unknown.
    """

    def __init__(self, *, convention: str = 'lavt', of: str = 'mask', prefix: str | None = None,
                 collect_device: str = 'cpu') -> None:
        super().__init__(prefix=prefix, collect_device=collect_device)
        _check(convention)
        if of not in ('mask', 'box'):
            raise ValueError(f'of {of!r}: expected mask or box')
        self.convention, self.of = convention, of

    def score(self, sample: VideoSegDataSample) -> Iterable[tuple[Key, tuple[float, float]]]:
        """Intersection and union of each sample of a clip.

        Raises:
            ValueError: there is no prediction, or sizes differ.
        """
        meta = sample.metainfo
        video = str(meta['video_id'])
        needed = dict(mask='pred_masks', box='pred_boxes')[self.of]
        if needed not in sample:
            raise ValueError(f'video {video!r}: no prediction ({needed}) on the sample')
        rows = {t: k for k, t in enumerate(sample.pred_frames)}
        for n, expression in enumerate(map(str, meta['expression_ids'])):
            truth = sample.target(n).cpu().numpy()
            for t in _annotated(sample):
                if t not in rows:
                    raise ValueError(f'video {video!r}: frame {meta["frame_ids"][t]} must be scored, but has no '
                                     'prediction')
                key = (video, expression, str(meta['frame_ids'][t]))
                if self.of == 'box':
                    yield key, box_areas(sample.pred_boxes[n, rows[t]].tolist(), _truth_box(sample, n, t))
                    continue
                mask = sample.pred_masks[n, rows[t]].cpu().numpy()
                if mask.shape != truth[t].shape:
                    raise ValueError(f'video {video!r}, expression {expression!r}: prediction has size {mask.shape}, '
                                     f'the truth {truth[t].shape} (H, W)')
                areas = int(np.count_nonzero(mask & truth[t])), int(np.count_nonzero(mask | truth[t]))
                yield key, areas

    def aggregate(self, records: dict[Key, tuple[float, float]]) -> dict[str, float]:
        """Results from all samples."""
        inter, union = np.asarray(list(records.values())).T  # (samples, 2) -> 2 x (samples,)
        return _percentages(iou_summary(inter, union, CONVENTIONS[self.convention]), self.convention)


@dataclass(frozen=True)
class CandidateRecord:
    """Candidates of one sample and the id under which its image is sorted for average precision."""

    image_id: str
    candidates: ImageCandidates


@METRICS.register_module()
class A2DMetric(VideoMetric):
    """A2D- and JHMDB-Sentences: COCO's average precision over all queries, P@K and IoU of the best query, times 100.

    The model must attach all queries of the key frame (``candidates=True``). Masks are compared as run-length codes at
    original size and are not kept. Repetitions by distributed samplers are dropped.

    Results: ``mAP`` (IoU 0.5:0.05:0.95), ``AP50``, ``AP75``, ``AP_small`` ..., ``P@0.5`` ..., ``oIoU``, ``mIoU``.

    Args:
        convention: of IoU and P@K, see :class:`IoUMetric`.
        tie: of queries with equal scores the ``'last'`` or the ``'first'`` counts in IoU and P@K.
        prefix, collect_device: as in VideoMetric.

    Raises:
        ValueError: a setting is unknown.

    Source: Gavrilyuk et al., "Actor and Action Video Segmentation from a Sentence", CVPR 2018.
    """

    def __init__(self, *, convention: str = 'referformer', tie: str = 'last', prefix: str | None = None,
                 collect_device: str = 'cpu') -> None:
        super().__init__(prefix=prefix, collect_device=collect_device)
        _check(convention)
        if tie not in ('first', 'last'):
            raise ValueError(f'tie {tie!r}: expected first or last')
        self.convention, self.tie = convention, tie

    def score(self, sample: VideoSegDataSample) -> Iterable[tuple[Key, CandidateRecord]]:
        """Overlaps of the candidates of each annotated key frame.

        Raises:
            ValueError: the sample carries no candidates, or sizes differ.
        """
        meta = sample.metainfo
        video = str(meta['video_id'])
        if 'candidates' not in sample:
            raise ValueError(f'A2DMetric: the sample of video {video!r} carries no candidates; set candidates=True on '
                             'the model')
        rows = {t: k for k, t in enumerate(sample.pred_frames)}
        for n, expression in enumerate(map(str, meta['expression_ids'])):
            for t in _annotated(sample):
                if t not in rows:
                    raise ValueError(f'video {video!r}: frame {meta["frame_ids"][t]} must be scored, but has no '
                                     'prediction')
                found = sample.candidates[n][rows[t]]
                key = (video, expression, str(meta['frame_ids'][t]))
                truth = encode_rle(sample.target(n)[t].cpu().numpy())
                info = meta['expressions_info'][n] if meta.get('expressions_info') else {}
                yield key, CandidateRecord(str(info.get('image_id', '/'.join(key))), image_candidates(
                    np.asarray(found['scores'], dtype=np.float64), found['masks'], truth))

    def aggregate(self, records: dict[Key, CandidateRecord]) -> dict[str, float]:
        """Results from all samples.

        Raises:
            ValueError: a sample has no candidate.
        """
        rows = sorted(records.values(), key=lambda row: row.image_id)
        images = [row.candidates for row in rows]
        best = [image.best(tie=self.tie) for image in images]
        found = iou_summary([image.intersections[k] for image, k in zip(images, best, strict=True)],
                            [image.unions[k] for image, k in zip(images, best, strict=True)],
                            CONVENTIONS[self.convention])
        coco = dict(zip(('mAP', *COCO_NUMBERS[1:6]), average_precision(images)[:6].tolist(), strict=True))
        return {name: 100 * value if value >= 0 else float('nan') for name, value in coco.items()} | _percentages(
            found, self.convention)
