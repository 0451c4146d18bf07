"""Soft maps of saliency as grey PNGs."""

import os
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from mmlvs.evaluation.metrics.video_metric import VideoMetric
from mmlvs.evaluation.writers.checks import check_original, file_name
from mmlvs.io.atomic import atomic_path, remove_parts
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample


@METRICS.register_module()
class SaliencyWriter(VideoMetric):
    """Writes ``<out_dir>/<video>/<frame>.png``: levels 0..255 at original size, as evaluators of zero-shot segmentation
    and video saliency read them. Stands beside the metrics of an evaluator, for methods that attach ``pred_soft``.

    Args:
        out_dir: folder of one data set's maps; one folder for all ranks.
        prefix, collect_device: as in VideoMetric.
    """

    needs_truth = False

    def __init__(self, *, out_dir: str | os.PathLike, prefix: str | None = 'soft_maps', collect_device: str = 'cpu'
                 ) -> None:
        super().__init__(prefix=prefix, collect_device=collect_device)
        self.out_dir = Path(out_dir)

    def score(self, sample: VideoSegDataSample) -> Iterator[tuple[tuple[str, str], int]]:
        """Write one clip.

        Yields:
            ((video, frame), 1).

        Raises:
            ValueError: the sample carries no soft maps at original size, or a sentence (its maps need another place).
        """
        check_original(sample, 'SaliencyWriter')
        meta = sample.metainfo
        video = str(meta['video_id'])
        if 'pred_soft' not in sample:
            raise ValueError(f'SaliencyWriter: the sample of video {video!r} carries no pred_soft (uint8 levels); let '
                             'the model keep soft maps')
        if len(sample.pred_soft) != 1:
            raise ValueError(f'SaliencyWriter: video {video!r} has {len(sample.pred_soft)} tracks, expected 1: a frame '
                             'has one file')
        for soft, position in zip(sample.pred_soft[0].cpu().numpy(), sample.pred_frames, strict=True):
            frame = str(meta['frame_ids'][position])
            file = self.out_dir / file_name('video', video) / f'{file_name("frame", frame)}.png'
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(file) as temporary:
                Image.fromarray(soft).save(temporary, format='PNG')
            yield (video, frame), 1

    def aggregate(self, records: dict[tuple[str, str], int]) -> dict[str, float]:
        """Numbers of ``videos`` and maps (``files``) written; what an interrupted test left unfinished goes."""
        videos = {video for video, _ in records}
        for video in videos:
            remove_parts(self.out_dir / video)
        return dict(videos=float(len(videos)), files=float(len(records)))
