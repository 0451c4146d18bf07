"""Saliency of videos (VSOD) and J and F of zero-shot segmentation (ZVOS) from one run."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from mmlvs.evaluation.functional.davis import frame_scores, mean_of, series_statistics
from mmlvs.evaluation.functional.saliency import (
    SALIENCY_NUMBERS,
    SaliencyScores,
    convention_of,
    saliency_scores,
    saliency_summary,
)
from mmlvs.evaluation.metrics.tables import text_table, write_csv
from mmlvs.evaluation.metrics.video_metric import Key, VideoMetric
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample

PREDICTION_ABOVE = 128
"""A level above this is object in J and F of ZVOS."""
ZVOS_NUMBERS = ('J', 'J-Recall', 'J-Decay', 'F', 'F-Recall', 'F-Decay', 'J&F')
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
    is up to the protocol. A frame that the protocol cannot score makes S NaN, and a video of which it counts no frame
    is left out of saliency; the log names both. It also gets both tables, with the rules of each above its numbers.

    Args:
        protocol: ``'standard'`` (PySODMetrics, all frames pooled) or ``'isomer'`` (its VSOD evaluator: frames without
            the first and the last, averaged per video).
        weighted: also the weighted F.
        zvos: also J and F.
        soft_truth: the truth holds levels 0..255; False: any value above 0 is object.
        toolkit_exact: decay as the script computes it in videos beyond 257 frames, where its 8-bit limits wrap.
        output_dir: folder of ``per_video_<protocol>.csv``; None for none.
        prefix, collect_device: as in VideoMetric.

    Raises:
        ValueError: the protocol is unknown.
    """

    def __init__(self, *, protocol: str = 'standard', weighted: bool = True, zvos: bool = True, soft_truth: bool = True,
                 toolkit_exact: bool = False, output_dir: str | None = None, prefix: str | None = None,
                 collect_device: str = 'cpu') -> None:
        super().__init__(prefix=prefix, collect_device=collect_device)
        convention_of(protocol)
        self.protocol, self.weighted, self.zvos, self.soft_truth = protocol, weighted, zvos, soft_truth
        self.toolkit_exact, self.output_dir = toolkit_exact, output_dir

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
        c = convention_of(self.protocol)
        counted = {name: [record.scores for _, record in rows] for name, rows in videos.items()
                   if len(rows) > c.skip_first + c.skip_last}
        if len(counted) < len(videos):
            short = [name.rpartition('/')[0] for name in videos if name not in counted]
            print_log(f'SaliencyMetric: {len(short)} videos are left out of saliency, not of J and F: of so few frames '
                      f'protocol {self.protocol!r} counts none ({", ".join(short[:10])})', logger='current', level=30)
        results = (saliency_summary(counted, protocol=self.protocol) if counted else
                   dict.fromkeys(SALIENCY_NUMBERS, float('nan')))
        if not self.weighted:
            del results['wF']
        lines = [self._line(name, [record for _, record in rows]) for name, rows in videos.items()]
        if self.zvos:
            results |= {name: mean_of([line[name] for line in lines]) for name in ZVOS_NUMBERS[:-1]}
            results['J&F'] = (results['J'] + results['F']) / 2
        self._show(results, videos=len(videos), frames=len(records))
        if self.output_dir is not None:
            write_csv(Path(self.output_dir) / f'per_video_{self.protocol}.csv', lines)
        return results

    def _line(self, track: str, records: list[SaliencyRecord]) -> dict[str, float | str]:
        """A video's row: its saliency over the frames that the protocol counts, J and F over all."""
        c = convention_of(self.protocol)
        counted = [record.scores for record in records[c.skip_first:len(records) - c.skip_last]]
        line = {'video': track.rpartition('/')[0], 'frames': len(records),
                f'{self.protocol}/MAE': _mean([scores.mae for scores in counted]),
                f'{self.protocol}/S': _mean([scores.structure for scores in counted])}
        for letter in 'JF' if self.zvos else '':
            found = series_statistics([getattr(record, letter.lower()) for record in records], skip=INNER,
                                      toolkit_exact=self.toolkit_exact)
            line |= {letter: 100 * found.mean, f'{letter}-Recall': 100 * found.recall,
                     f'{letter}-Decay': 100 * found.decay}
        return line

    def _show(self, results: dict[str, float], *, videos: int, frames: int) -> None:
        """Both tables in the log, each under the rules of its numbers."""
        about, found = convention_of(self.protocol).about(), f'{videos} videos, {frames} frames with truth'
        tables = [text_table(f'Saliency (VSOD), protocol {self.protocol!r}: {about}. {found}',
                             {name: results[name] for name in SALIENCY_NUMBERS if name in results}, digits=3)]
        if self.zvos:
            tables.append(text_table(
                f'Segmentation (ZVOS): maps above level {PREDICTION_ABOVE}, truth above 0; all frames, but the first '
                f'and the last not in recall and decay; mean over frames, then over videos. {found}',
                {name: results[name] for name in ZVOS_NUMBERS}, digits=1))
        print_log('\n'.join(('', *tables)), logger='current')


def _mean(values: list[float]) -> float:
    """A NaN among them makes it NaN; so does no value at all."""
    return float(np.mean(values)) if values else float('nan')
