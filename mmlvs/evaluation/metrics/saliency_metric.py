"""Saliency of videos (VSOD) and J and F of zero-shot segmentation (ZVOS) from one run."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmlvs.evaluation.functional.davis import frame_scores, mean_of, series_statistics
from mmlvs.evaluation.functional.saliency import SaliencyScores, convention_of, saliency_scores, saliency_summary
from mmlvs.evaluation.metrics.tables import write_csv
from mmlvs.evaluation.metrics.video_metric import Key, VideoMetric
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample

PREDICTION_ABOVE = 128
"""A level above this is object in J and F of ZVOS."""
INNER = dict(recall=(1, 1), decay=(1, 1))
"""ZVOS leaves the first and the last frame out of recall and decay, but not of the mean."""


@dataclass(frozen=True)
class SaliencyRecord:
    """Scores of one frame, its place in the video, and J and F (NaN when they are not wanted)."""

    order: tuple[int, int]
    scores: SaliencyScores
    j: float
    f: float


@METRICS.register_module()
class SaliencyMetric(VideoMetric):
    """MAE, F, E, S and weighted F (fractions) of soft maps, and J, F, J&F (times 100) of the maps above level 128.

    The model attaches ``pred_soft`` (N, K, H, W) uint8 at original size. J and F are means over all frames of a video,
    then over videos, with recall and decay (Isomer's ZVOS script, without its rounding). Which frames saliency counts
    is up to the protocol. A frame that the protocol cannot score makes S NaN, and the log names it.

    Args:
        protocol: ``'standard'`` (PySODMetrics, all frames pooled) or ``'isomer'`` (its VSOD evaluator: frames without
            the first and the last, averaged per video).
        weighted: also the weighted F.
        zvos: also J and F.
        soft_truth: the truth holds levels 0..255; False: any value above 0 is object.
        output_dir: folder of ``per_video.csv``; None for none.
        prefix, collect_device: as in VideoMetric.

    Raises:
        ValueError: the protocol is unknown.
    """

    def __init__(self, *, protocol: str = 'standard', weighted: bool = True, zvos: bool = True, soft_truth: bool = True,
                 output_dir: str | None = None, prefix: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(prefix=prefix, collect_device=collect_device)
        convention_of(protocol)
        self.protocol, self.weighted, self.zvos, self.soft_truth = protocol, weighted, zvos, soft_truth
        self.output_dir = output_dir

    def score(self, sample: VideoSegDataSample) -> Iterable[tuple[Key, SaliencyRecord]]:
        """Scores of the annotated frames of one clip.

        Raises:
            ValueError: the sample carries no soft maps, sizes differ, or the truth is 0/1 where levels were promised.
        """
        meta = sample.metainfo
        video = str(meta['video_id'])
        if 'pred_soft' not in sample:
            raise ValueError(f'SaliencyMetric: the sample of video {video!r} carries no pred_soft (uint8 levels); let '
                             'the model keep soft maps')
        annotated, rows = sample.gt_annotated.cpu().numpy(), {t: k for k, t in enumerate(sample.pred_frames)}
        for n, track in enumerate(map(str, meta['expression_ids'])):
            truth = sample.gt_masks[list(sample.gt_objects[n])].amax(dim=0).cpu().numpy()  # O T H W -> T H W
            if self.soft_truth and truth.max(initial=0) == 1:
                raise ValueError(f'video {video!r}: the truth holds 0 and 1, not levels up to 255; set '
                                 'soft_truth=False on SaliencyMetric')
            levels = truth if self.soft_truth else (truth > 0) * np.uint8(255)
            for t in sample.scored_frames:
                if not annotated[t]:
                    continue
                frame = str(meta['frame_ids'][t])
                if t not in rows:
                    raise ValueError(f'video {video!r}: frame {frame} must be scored, but has no prediction')
                soft = sample.pred_soft[n, rows[t]].cpu().numpy()
                scores = saliency_scores(soft, levels[t], protocol=self.protocol, weighted=self.weighted)
                j, f = (frame_scores(soft > PREDICTION_ABOVE, levels[t] > 0) if self.zvos
                        else (float('nan'), float('nan')))
                yield (video, track, frame), SaliencyRecord((int(meta['clip']['index']), t), scores, j, f)

    def aggregate(self, records: dict[Key, SaliencyRecord]) -> dict[str, float]:
        """Results over all videos."""
        tracks: dict[str, list[tuple[str, SaliencyRecord]]] = defaultdict(list)
        for (video, track, frame), record in records.items():
            tracks[f'{video}/{track}'].append((frame, record))
        videos = {name: sorted(rows, key=lambda row: row[1].order) for name, rows in tracks.items()}
        unscored = [f'{name}/{frame}' for name, rows in videos.items() for frame, record in rows
                    if np.isnan(record.scores.structure)]
        if unscored:
            print_log(f'SaliencyMetric: protocol {self.protocol!r} gives no S for {len(unscored)} frames, e.g. '
                      f'{unscored[:3]}', logger='current', level=30)
        results = saliency_summary({name: [record.scores for _, record in rows] for name, rows in videos.items()},
                                   protocol=self.protocol)
        if not self.weighted:
            del results['wF']
        lines = []
        for name, rows in videos.items():
            line = {'video': name.rpartition('/')[0], 'frames': len(rows)}
            numbers = {'MAE': float(np.mean([record.scores.mae for _, record in rows])),
                       'S': float(np.mean([record.scores.structure for _, record in rows]))}
            for letter in 'JF' if self.zvos else '':
                found = series_statistics([getattr(record, letter.lower()) for _, record in rows], skip=INNER)
                numbers |= {letter: 100 * found.mean, f'{letter}-Recall': 100 * found.recall,
                            f'{letter}-Decay': 100 * found.decay}
            lines.append(line | numbers)
        if self.zvos:
            results |= {name: mean_of([line[name] for line in lines]) for name in lines[0] if name[0] in 'JF'}
            results['J&F'] = (results['J'] + results['F']) / 2
        if self.output_dir is not None:
            write_csv(Path(self.output_dir) / 'per_video.csv', lines)
        return results
