"""Ref-DAVIS17: the DAVIS 2017 evaluation once for each of four annotators."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmlvs.evaluation.functional.davis import SequenceScores, dataset_scores, match_proposals, pair_scores
from mmlvs.evaluation.metrics.tables import write_csv
from mmlvs.evaluation.metrics.video_metric import Key, VideoMetric
from mmlvs.evaluation.writers.checks import check_original
from mmlvs.evaluation.writers.merge import annotator_sets, merge_scores
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample


@dataclass(frozen=True)
class PairRecord:
    """One frame of one annotator set: J and F of every (prediction, object) pair, float64 (P, O), its place in the
    video, the number of frames of the video, and the objects' ids in the first frame (None in the others)."""

    order: tuple[int, int]
    j: np.ndarray
    f: np.ndarray
    expected: int
    first: tuple[bool, ...] | None


@METRICS.register_module()
class RefDavisMetric(VideoMetric):
    """J&F of Ref-DAVIS17: the expressions of each annotator set are merged to one index map, the maps are scored as
    DAVIS 2017 scores the unsupervised task (void left out, predictions matched to objects), and the tables of the sets
    are averaged.

    Each item must hold all expressions of its video (``unit='video'``) and keep mask probabilities (``pred_prob``);
    expression ids are ``num_sets`` * object + set. Objects are those that the first frame shows, and those below the
    largest of them.

    Results, times 100: ``J&F``, ``J``, ``F`` (means of the sets), ``anno_<k>/J&F`` ..., and with recall and decay
    ``J-Recall`` etc.; with ``matching=False`` prediction k is held against object k.

    Args:
        num_sets: annotator sets of a video.
        threshold, background: see :func:`mmlvs.evaluation.writers.merge_scores`.
        tolerance: of the boundary, see :class:`JFMetric`.
        matching: see above.
        toolkit_exact: decay as the DAVIS toolkit computes it in sequences beyond 255 frames.
        output_dir: folder of ``per_object.csv``; None for none.
        prefix, collect_device: as in VideoMetric.

    Source: Khoreva et al., "Video Object Segmentation with Language Referring Expressions", ACCV 2018.
    """

    def __init__(self, *, num_sets: int = 4, threshold: float = 0.5, background: float = 0.1, tolerance: float = 0.008,
                 matching: bool = True, toolkit_exact: bool = False, output_dir: str | None = None,
                 prefix: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(prefix=prefix, collect_device=collect_device)
        self.num_sets, self.rule = num_sets, dict(threshold=threshold, background=background)
        self.tolerance, self.matching, self.toolkit_exact = tolerance, matching, toolkit_exact
        self.output_dir = output_dir

    def score(self, sample: VideoSegDataSample) -> Iterable[tuple[Key, PairRecord]]:
        """Merge one clip per annotator set and score every pair of each frame.

        Raises:
            ValueError: probabilities are missing, expressions are missing, or objects are not numbered 1, 2, ...
        """
        check_original(sample, 'RefDavisMetric')
        meta = sample.metainfo
        video = str(meta['video_id'])
        if 'pred_prob' not in sample:
            raise ValueError(f'RefDavisMetric: the sample of video {video!r} carries no pred_prob; let the model keep '
                             'mask probabilities')
        truth = self._truth(sample, video)  # (O, T, H, W)
        ignore = sample.gt_ignore.cpu().numpy() if 'gt_ignore' in sample else None
        for number, rows in enumerate(annotator_sets(meta['expression_ids'], num_sets=self.num_sets)):
            labels = merge_scores((sample.pred_prob[row].float().cpu().numpy() for row in rows), **self.rule)
            for k, t in enumerate(sample.pred_frames):
                proposals = np.stack([labels[k] == index for index in range(1, max(len(rows), len(truth)) + 1)])
                j, f = pair_scores(proposals, truth[:, t], void=None if ignore is None else ignore[t],
                                   tolerance=self.tolerance)
                order = (int(meta['clip']['index']), t)
                first = tuple(truth[:, t].any(axis=(1, 2)).tolist()) if order == (0, 0) else None
                yield (video, f'anno_{number}', str(meta['frame_ids'][t])), PairRecord(order, j, f,
                                                                                        int(meta['num_frames']), first)

    @staticmethod
    def _truth(sample: VideoSegDataSample, video: str) -> np.ndarray:
        """Masks in the order of the object numbers."""
        ids = [str(name) for name in sample.metainfo['object_ids']]
        if not all(name.isdecimal() for name in ids) or sorted(map(int, ids)) != list(range(1, len(ids) + 1)):
            raise ValueError(f'video {video!r}: objects {ids}, expected the numbers 1 to {len(ids)}: their order is '
                             'that of the predictions')
        masks = sample.gt_masks.cpu().numpy() > 0
        return masks[np.argsort([int(name) for name in ids])]

    def aggregate(self, records: dict[Key, PairRecord]) -> dict[str, float]:
        """Tables of the sets and their means.

        Raises:
            RuntimeError: frames of a video were never predicted.
        """
        tracks: dict[tuple[str, str], list[PairRecord]] = defaultdict(list)
        for (video, annotator, _), record in records.items():
            tracks[annotator, video].append(record)
        tables: dict[str, list[SequenceScores]] = defaultdict(list)
        lines: list[dict] = []
        for (annotator, video), track in sorted(tracks.items()):
            scores = self._sequence(video, annotator, sorted(track, key=lambda record: record.order))
            tables[annotator].append(scores)
            lines += [{'set': annotator, 'video': video, 'object': o, 'prediction': p, 'J': float(100 * j.mean()),
                       'F': float(100 * f.mean())} for (p, o), j, f in zip(scores.pairs, scores.j, scores.f,
                                                                           strict=True)]
        if self.output_dir is not None:
            write_csv(Path(self.output_dir) / 'per_object.csv', lines)
        short = {'J&F-Mean': 'J&F', 'J-Mean': 'J', 'F-Mean': 'F'}
        found = {annotator: {short.get(name, name): 100 * value for name, value in dataset_scores(
            sequences, toolkit_exact=self.toolkit_exact).items()} for annotator, sequences in tables.items()}
        names = next(iter(found.values()))
        results = {name: float(np.mean([table[name] for table in found.values()])) for name in names}
        return results | {f'{annotator}/{name}': table[name] for annotator, table in found.items()
                          for name in short.values()}

    def _sequence(self, video: str, annotator: str, track: list[PairRecord]) -> SequenceScores:
        if len(track) != track[0].expected or track[0].first is None:
            raise RuntimeError(f'video {video!r}, {annotator}: {len(track)} of {track[0].expected} frames were '
                               'predicted; every clip of a video must reach the metric')
        objects = max((k + 1 for k, shown in enumerate(track[0].first) if shown), default=0)
        j, f = (np.stack([getattr(record, name)[:, :objects] for record in track], axis=2) for name in 'jf')
        if self.matching:
            return match_proposals(j, f)  # (P, O, T) each
        own = np.arange(objects)
        return SequenceScores([(k + 1, k + 1) for k in range(objects)], j[own, own], f[own, own])
