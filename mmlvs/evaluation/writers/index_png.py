"""Index PNGs of Ref-DAVIS17: one object map a frame and annotator set, for the DAVIS toolkit."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from mmlvs.evaluation.metrics.video_metric import VideoMetric
from mmlvs.evaluation.writers.checks import check_original, file_name
from mmlvs.evaluation.writers.merge import annotator_sets, merge_scores
from mmlvs.io.atomic import remove_parts
from mmlvs.io.masks import write_index_png
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample


@METRICS.register_module()
class RefDavisWriter(VideoMetric):
    """Writes ``<out_dir>/anno_<set>/<video>/<frame>.png``: all objects of a clip in one index map, per annotator set.

    Each item must hold all expressions of its video (data set setting ``unit='video'``) and keep mask probabilities
    (``pred_prob``), because where objects overlap the higher score wins. Expression ids are 4 * object + set.

    Args:
        out_dir: folder of the results; one folder for all ranks.
        num_sets: annotator sets a video has.
        threshold, background: lowest score that counts, and score of the background.
        prefix, collect_device: as in VideoMetric.
    """

    needs_truth = False

    def __init__(self, *, out_dir: str | os.PathLike, num_sets: int = 4, threshold: float = 0.5,
                 background: float = 0.1, prefix: str | None = 'ref_davis', collect_device: str = 'cpu') -> None:
        super().__init__(prefix=prefix, collect_device=collect_device)
        self.out_dir, self.num_sets = Path(out_dir), num_sets
        self.rule = dict(threshold=threshold, background=background)

    def score(self, sample: VideoSegDataSample) -> Iterator[tuple[tuple[str, str, str], int]]:
        """Merge and write one clip.

        Yields:
            ((video, set folder, frame), number of objects).

        Raises:
            ValueError: masks are not at original size, probabilities were not kept, or expressions are missing.
        """
        check_original(sample, 'RefDavisWriter')
        meta = sample.metainfo
        video = str(meta['video_id'])
        if 'pred_prob' not in sample:
            raise ValueError(f'RefDavisWriter: the sample of video {video!r} carries no pred_prob; let the model keep '
                             'mask probabilities')
        for number, rows in enumerate(annotator_sets(meta['expression_ids'], num_sets=self.num_sets)):
            labels = merge_scores((_numpy(sample.pred_prob[row]) for row in rows), **self.rule)
            for k, position in enumerate(sample.pred_frames):
                frame = str(meta['frame_ids'][position])
                folder = self.out_dir / f'anno_{number}' / file_name('video', video)
                write_index_png(folder / f'{file_name("frame", frame)}.png', labels[k])
                yield (video, f'anno_{number}', frame), len(rows)

    def aggregate(self, records: dict[tuple[str, str, str], int]) -> dict[str, float]:
        """Numbers of ``videos`` and index maps (``files``) written; what an interrupted test left unfinished goes."""
        for video, annotators in {key[:2] for key in records}:
            remove_parts(self.out_dir / annotators / video)
        return dict(videos=float(len({video for video, _, _ in records})), files=float(len(records)))


def _numpy(prob: Tensor) -> np.ndarray:
    return prob.float().cpu().numpy()
