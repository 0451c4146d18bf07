"""J and F of referred objects, with tables per video, per expression and per kind of expression."""
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.evaluation.functional.baselines import BASELINES
from mmlvs.evaluation.functional.davis import frame_scores
from mmlvs.evaluation.metrics.tables import write_csv
from mmlvs.evaluation.metrics.video_metric import Key, VideoMetric
from mmlvs.io.atomic import remove_parts
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample

FRAMES = ('all', 'skip_first_last')
MODEL = 'model'
Scores = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class JFRecord:
    """Scores of one frame of one expression.

    ``order``: (clip, position in the clip), the place in the video. ``scores``: J and F of ``'model'`` and of each
    baseline; empty where the frame has no annotation. ``expected``: frames of the whole track, None for key-frame
    items. ``text`` and ``groups`` describe the expression. ``more``: further numbers of a subclass.
    """

    order: tuple[int, int]
    scores: Scores
    expected: int | None
    text: str
    groups: dict[str, tuple[str, ...]]
    more: dict[str, float] = field(default_factory=dict)


@METRICS.register_module()
class JFMetric(VideoMetric):
    """Region similarity J, boundary measure F and their mean J&F, times 100.

    Mean over the frames of an expression, then over expressions (Ref-YouTube-VOS, MeViS). Every scored frame must have
    been predicted, at the size of the truth. Frames without annotation are predicted but not scored.

    Results: ``J``, ``F``, ``J&F``; for each value of a ``group_by`` column ``<column>/<value>/J`` etc.; for each
    baseline ``baseline_<name>/J`` etc. Tables (when ``output_dir`` is set): ``per_expression.csv``, ``per_video.csv``
    and ``per_<column>.csv``.

    Args:
        tolerance: of the boundary: a share of the image diagonal, or pixels from 1 on.
        frames: ``'all'``, or ``'skip_first_last'`` to leave out the first and the last frame of each video.
        void: leave the pixels of ``gt_ignore`` out of both masks.
        group_by: keys of ``expressions_info`` to report separately, e.g. ``('clue_type',)``. A value may be a list: the
            expression counts in each group. An expression without the key is in group ``none``.
        baselines: some of ``'largest'``, ``'random'``, ``'all'``: what the true objects would score without reading the
            expression (a random object: its expectation) (:mod:`mmlvs.evaluation.functional.baselines`).
        output_dir: folder of the tables; None for none.
        prefix: put before the names of the results.
        collect_device: as in mmengine.

    Raises:
        ValueError: a setting is unknown.

    Source: Pont-Tuset et al., "The 2017 DAVIS Challenge", 2017; Seo et al., "URVOS", ECCV 2020.
    """

    decimals: int | None = None
    """Percentages of an expression are rounded to this many decimals before they are averaged; None: not at all."""

    def __init__(self, *, tolerance: float = 0.008, frames: str = 'all', void: bool = True,
                 group_by: Sequence[str] = (), baselines: Sequence[str] = (), output_dir: str | None = None,
                 prefix: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(prefix=prefix, collect_device=collect_device)
        if frames not in FRAMES:
            raise ValueError(f'frames {frames!r}: expected one of {FRAMES}')
        for name, value in (('group_by', group_by), ('baselines', baselines)):
            if isinstance(value, str):
                raise ValueError(f'{name} {value!r}: expected a list of names, e.g. {name}=[{value!r}]')
        unknown = set(baselines) - set(BASELINES)
        if unknown:
            raise ValueError(f'baselines {sorted(unknown)}: expected some of {sorted(BASELINES)}')
        self.tolerance, self.frames, self.void = tolerance, frames, void
        self.group_by, self.baselines, self.output_dir = tuple(group_by), tuple(baselines), output_dir

    def score(self, sample: VideoSegDataSample) -> Iterable[tuple[Key, JFRecord]]:
        """Records of one predicted clip, one for each expression and predicted frame.

        Raises:
            ValueError: the clip, or a frame that must be scored, has no prediction, or sizes differ.
        """
        meta = sample.metainfo
        video = str(meta['video_id'])
        if 'pred_masks' not in sample:
            raise ValueError(f'video {video!r}, clip {meta["clip"]["index"]}: no prediction (pred_masks) on the sample')
        missing = set(sample.scored_frames) - set(sample.pred_frames)
        if missing:
            names = [meta['frame_ids'][t] for t in sorted(missing)]
            raise ValueError(f'video {video!r}: frames {names} must be scored, but have no prediction')
        if len(sample.pred_masks) != sample.num_expressions:
            raise ValueError(f'video {video!r}: {len(sample.pred_masks)} predicted masks for '
                             f'{sample.num_expressions} expressions')
        expected = None if sample.is_key_frame_item else int(meta['num_frames'])
        annotated = sample.gt_annotated.cpu().numpy()
        ignore = sample.gt_ignore.cpu().numpy() if self.void and 'gt_ignore' in sample else None
        rows = {t: k for k, t in enumerate(sample.pred_frames)}
        baselines = {name: BASELINES[name](sample.gt_masks.cpu().numpy()) for name in self.baselines}
        for n, expression in enumerate(map(str, meta['expression_ids'])):
            prediction = sample.pred_masks[n].cpu().numpy()
            truth = sample.target(n).cpu().numpy()
            for t in sample.scored_frames:
                scores: Scores = {}
                more: dict[str, float] = {}
                if annotated[t]:
                    void = None if ignore is None else ignore[t]
                    name = f'video {video!r}, expression {expression!r}'
                    scores[MODEL] = self._frame(prediction[rows[t]], truth[t], void, name)
                    more = self._more(prediction[rows[t]], sample, n, t)
                    for baseline, answers in baselines.items():
                        each = [self._frame(answer[t], truth[t], void, name) for answer in answers]
                        scores[baseline] = tuple(np.mean(each, axis=0).tolist())
                text = str(meta['texts'][n]) if meta['texts'] else ''  # zero-shot tracks have none
                record = JFRecord(order=(int(meta['clip']['index']), t), scores=scores, expected=expected,
                                  text=text, groups=self._groups(meta, n), more=more)
                yield (video, expression, str(meta['frame_ids'][t])), record

    def _frame(self, mask: np.ndarray, truth: np.ndarray, void: np.ndarray | None, name: str) -> tuple[float, float]:
        if mask.shape != truth.shape:
            raise ValueError(f'{name}: prediction has size {mask.shape}, the truth {truth.shape} (H, W); '
                             'masks must be predicted at the size of the truth')
        return frame_scores(mask, truth, void=void, tolerance=self.tolerance)

    def _more(self, mask: np.ndarray, sample: VideoSegDataSample, n: int, t: int) -> dict[str, float]:
        """Further numbers of frame ``t`` of expression ``n``, whose prediction is ``mask`` (H, W)."""
        return {}

    def _of_track(self, video: str, expression: str, track: list[JFRecord]) -> dict[str, float]:
        """Further measures, fractions, of an expression from its scored frames in order; columns of the tables."""
        return {}

    def _groups(self, meta: dict[str, Any], n: int) -> dict[str, tuple[str, ...]]:
        info = meta['expressions_info'][n] if meta.get('expressions_info') else {}
        out = {}
        for column in self.group_by:
            value = info.get(column, 'none')
            out[column] = tuple(map(str, value)) if isinstance(value, (list, tuple)) else (str(value),)
        return out

    def aggregate(self, records: dict[Key, JFRecord]) -> dict[str, float]:
        """Results and tables from all records, sorted by key.

        Raises:
            RuntimeError: frames of a video were never predicted, or an expression has no frame to score.
        """
        tracks: dict[tuple[str, str], list[JFRecord]] = defaultdict(list)
        for (video, expression, _), record in records.items():
            tracks[video, expression].append(record)
        rows = [self._track(video, expression, sorted(track, key=lambda r: r.order))
                for (video, expression), track in tracks.items()]
        unknown = [c for c in self.group_by if all(row['groups'][c] == ('none',) for row in rows)]
        if unknown:
            raise RuntimeError(f'group_by {unknown}: no expression carries these keys in expressions_info')
        sources = (MODEL, *self.baselines)
        videos = _table(rows, 'video', lambda row: (row['video'],), sources)
        groups = {column: _table(rows, column, lambda row, c=column: row['groups'][c], sources)
                  for column in self.group_by}
        total = _means(rows, sources)
        names = ('J', 'F', 'J&F', *rows[0]['more'])
        results = {name: total[name] for name in names}
        for column, table in groups.items():
            results |= {f'{column}/{line[column]}/{name}': line[name] for line in table for name in names}
        results |= {f'baseline_{source}/{name}': total[f'{source} {name}'] for source in self.baselines
                    for name in ('J', 'F', 'J&F')}
        if self.output_dir is not None:
            folder = Path(self.output_dir)
            remove_parts(folder)  # what a killed test left
            lines = [{'video': row['video'], 'expression': row['expression'], 'text': row['text'],
                      **{c: ' '.join(row['groups'][c]) for c in self.group_by},
                      'frames': row['frames'], **_means([row], sources)} for row in rows]
            for line in lines:
                del line['expressions']
            write_csv(folder / 'per_expression.csv', lines)
            write_csv(folder / 'per_video.csv', videos)
            for column, table in groups.items():
                write_csv(folder / f'per_{column}.csv', table)
        return results

    def _track(self, video: str, expression: str, track: list[JFRecord]) -> dict[str, Any]:
        expected = track[0].expected
        if expected is not None and len(track) != expected:
            raise RuntimeError(f'video {video!r}, expression {expression!r}: {len(track)} of {expected} frames were '
                               'predicted; every clip of a video must reach the metric')
        if self.frames == 'skip_first_last':
            track = track[1:-1]
        scored = [record for record in track if record.scores]
        if not scored:
            raise RuntimeError(f'video {video!r}, expression {expression!r}: no annotated frame to score '
                               f'(frames={self.frames!r}, {len(track)} frames left)')
        scores = {source: np.mean([record.scores[source] for record in scored], axis=0) * 100
                  for source in scored[0].scores}
        more = {name: 100 * value for name, value in self._of_track(video, expression, scored).items()}
        if self.decimals is not None:
            scores = {source: np.array([round(value, self.decimals) for value in values.tolist()])
                      for source, values in scores.items()}
            more = {name: round(value, self.decimals) for name, value in more.items()}
        return {'video': video, 'expression': expression, 'text': scored[0].text, 'groups': scored[0].groups,
                'frames': len(scored), 'scores': scores, 'more': more}


def _means(rows: list[dict], sources: Sequence[str]) -> dict[str, float]:
    """J, F, J&F of the model and, with its name in front, of each baseline: means over expressions."""
    out: dict[str, float] = {'expressions': len(rows)}
    for source in sources:
        j, f = np.mean([row['scores'][source] for row in rows], axis=0)
        start = '' if source == MODEL else f'{source} '
        out |= {f'{start}J': float(j), f'{start}F': float(f), f'{start}J&F': float((j + f) / 2)}
    return out | {name: float(np.mean([row['more'][name] for row in rows])) for name in rows[0]['more']}


def _table(rows: list[dict], title: str, values, sources: Sequence[str]) -> list[dict]:
    """One line for each value that ``values(row)`` gives, sorted."""
    parts: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        for value in dict.fromkeys(values(row)):
            parts[value].append(row)
    return [{title: value, **_means(parts[value], sources)} for value in sorted(parts)]
