"""J and F with what MeViS, Long-RVOS and ReVOS report besides."""

import json
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from mmlvs.evaluation.functional.tracks import (
    false_pixels,
    no_target_scores,
    pixel_accuracy,
    robustness_of,
    temporal_iou_of,
)
from mmlvs.evaluation.metrics.jf_metric import JFMetric, JFRecord
from mmlvs.evaluation.metrics.video_metric import Key
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample


def _presence(mask: np.ndarray, sample: VideoSegDataSample, n: int, t: int) -> dict[str, float]:
    return {'shown': float(mask.any()), 'there': float(sample.target(n)[t].any())}


def _no_target(records: dict[Key, JFRecord]) -> dict[str, float]:
    """``N-acc`` and ``T-acc`` times 100 when there are expressions without target."""
    shown: dict[tuple[str, str], bool] = defaultdict(bool)
    there: dict[tuple[str, str], bool] = defaultdict(bool)
    for (video, expression, _), record in records.items():
        if record.more:
            shown[video, expression] |= bool(record.more['shown'])
            there[video, expression] |= bool(record.more['there'])
    if all(there.values()):
        return {}
    found = no_target_scores([shown[key] for key in there], list(there.values()))
    return {name: 100 * value for name, value in (('N-acc', found.n_acc), ('T-acc', found.t_acc)) if value == value}


@METRICS.register_module()
class MeViSMetric(JFMetric):
    """J, F and J&F over all frames of every expression; with expressions without target also ``N-acc`` and ``T-acc``.

    An expression without target counts in J and F as the formulas say: 1 for a frame where nothing is predicted (an
    empty and a filled boundary score 0). ``N-acc``: share of them without any predicted pixel in the video; ``T-acc``:
    share of the others with at least one.

    Args: see :class:`JFMetric`.

    Source: Ding et al., "MeViS", ICCV 2023; Liu et al., "GRES", CVPR 2023 (N-acc, T-acc).
    """

    def _more(self, mask: np.ndarray, sample: VideoSegDataSample, n: int, t: int) -> dict[str, float]:
        return _presence(mask, sample, n, t)

    def aggregate(self, records: dict[Key, JFRecord]) -> dict[str, float]:
        """See :class:`JFMetric`, with the no-target scores."""
        return super().aggregate(records) | _no_target(records)


@METRICS.register_module()
class LongRVOSMetric(JFMetric):
    """J, F, J&F, tIoU and vIoU per expression; means over all and per ``type`` (static, dynamic, hybrid).

    Args: see :class:`JFMetric`; ``group_by`` is ``('type',)`` unless stated.

    Source: Liang et al., "Long-RVOS", 2025.
    """

    def __init__(self, *, tolerance: float = 0.008, group_by: Sequence[str] = ('type',), baselines: Sequence[str] = (),
                 output_dir: str | None = None, prefix: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(tolerance=tolerance, group_by=group_by, baselines=baselines, output_dir=output_dir,
                         prefix=prefix, collect_device=collect_device)

    def _more(self, mask: np.ndarray, sample: VideoSegDataSample, n: int, t: int) -> dict[str, float]:
        return _presence(mask, sample, n, t)

    def _of_track(self, video: str, expression: str, track: list[JFRecord]) -> dict[str, float]:
        t_iou, v_iou = temporal_iou_of([r.more['shown'] for r in track], [r.more['there'] for r in track],
                                       [r.scores['model'][0] for r in track])
        return {'tIoU': t_iou, 'vIoU': v_iou}


@METRICS.register_module()
class ReVOSMetric(JFMetric):
    """J, F, A (pixel accuracy) and R (robustness) of referring (type 0) and reasoning (type 1) expressions.

    As in the published evaluator: percentages of an expression are rounded to ``decimals`` before they are averaged;
    the overall numbers are the means of the two groups' means; expressions without target (type 2) take no part in
    them: they give ``N-acc``. Instances of an expression are added, so that A never counts where two overlap, and a
    false pixel there weighs 255 in R.

    Args:
        foreground: ``mask_dict_foreground.json`` of the data set; None leaves R out.
        decimals: None for full precision.
        tolerance, output_dir, prefix, collect_device: see :class:`JFMetric`.

    Raises:
        FileNotFoundError: there is no such file.

    Source: Yan et al., "VISA: Reasoning Video Object Segmentation via Large Language Models", ECCV 2024.
    """

    groups = {'0': 'referring', '1': 'reasoning'}

    def __init__(self, *, foreground: str | None = None, decimals: int | None = 2, tolerance: float = 0.008,
                 output_dir: str | None = None, prefix: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(tolerance=tolerance, group_by=('type_id',), output_dir=output_dir, prefix=prefix,
                         collect_device=collect_device)
        if foreground is not None and not Path(foreground).is_file():
            raise FileNotFoundError(f'{foreground}: ReVOS needs its mask_dict_foreground.json for the robustness R; '
                                    'unpack it, or set foreground=None to leave R out')
        self.foreground, self.decimals = foreground, decimals

    @cached_property
    def _codes(self) -> dict:
        return json.loads(Path(self.foreground).read_text(encoding='utf-8'))

    def _more(self, mask: np.ndarray, sample: VideoSegDataSample, n: int, t: int) -> dict[str, float]:
        objects = [sample.gt_masks[o, t].cpu().numpy() for o in sample.gt_objects[n]]
        counts = np.zeros(mask.shape, dtype=np.uint8)
        for one in objects:
            counts += (one > 0).astype(np.uint8)
        return {**_presence(mask, sample, n, t), 'A': float(pixel_accuracy(mask[None], counts[None])[0]),
                'false': float(false_pixels(mask[None], counts[None])[0])}

    def _of_track(self, video: str, expression: str, track: list[JFRecord]) -> dict[str, float]:
        found = {'A': float(np.mean([record.more['A'] for record in track]))}
        if self.foreground is not None:
            sizes = self._foreground_sizes(video)
            if len(sizes) != len(track):
                raise RuntimeError(f'{self.foreground}: video {video!r} has {len(sizes)} frames of foreground, '
                                   f'expression {expression!r} {len(track)} scored frames')
            found['R'] = float(robustness_of([record.more['false'] for record in track], sizes).mean())
        return found

    def _foreground_sizes(self, video: str) -> list[int]:
        """Pixels of the foreground of each frame, those of several objects counted for each."""
        from pycocotools import mask as rle

        if video not in self._codes:
            raise KeyError(f'{self.foreground}: has no foreground of video {video!r}')
        frames = [frame if isinstance(frame, list) else [frame] for frame in self._codes[video]['masks_rle']]
        return [int(sum(rle.area(code) for code in frame if code is not None)) for frame in frames]

    def aggregate(self, records: dict[Key, JFRecord]) -> dict[str, float]:
        """Results named ``<group>/J`` etc. and the overall ones; tables as :class:`JFMetric`.

        Raises:
            RuntimeError: no expression is of type 0 or 1.
        """
        kept = {key: record for key, record in records.items() if record.groups['type_id'][0] in self.groups}
        if not kept:
            raise RuntimeError('ReVOSMetric: no expression has type_id 0 or 1 in expressions_info; the annotation file '
                               'tells the type of each')
        found = super().aggregate(kept)
        results: dict[str, float] = {}
        parts: dict[str, list[float]] = defaultdict(list)
        for number, group in self.groups.items():
            for name in ('J', 'F', 'J&F', 'A', 'R'):
                value = found.get(f'type_id/{number}/{name}')
                if value is not None:
                    results[f'{group}/{name}'] = value
                    parts[name].append(value)
        results |= {name: float(np.mean(values)) for name, values in parts.items()}
        return results | _no_target(records)
