"""Submissions of Ref-YouTube-VOS and MeViS: one grey PNG for every expression and frame, zipped for the server."""

import os
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mmlvs.evaluation.metrics.video_metric import VideoMetric
from mmlvs.evaluation.writers.checks import check_original, file_name
from mmlvs.io.atomic import atomic_path, remove_parts
from mmlvs.io.masks import write_mask_png
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample

TOP_FOLDER = 'Annotations'
"""Of a Ref-YouTube-VOS archive; that of MeViS has the videos at its root."""
_SHOWN = 5


@METRICS.register_module()
class RefYouTubeVOSWriter(VideoMetric):
    """Writes ``<out_dir>/Annotations/<video>/<expression>/<frame>.png`` (0/255, original size) and the zip of it.

    Put it beside, or instead of, the metrics of an evaluator. Files are written clip by clip, by every rank its own
    videos; at the end the main process checks that no frame is missing and makes the archive of exactly the files of
    this run (older files in the folder stay out). ``out_dir`` must be one folder for all ranks.

    Args:
        out_dir: folder of the submission.
        archive: name of the zip in ``out_dir`` whose top folder is ``Annotations``; None = no zip.
        prefix, collect_device: as in VideoMetric.
    """

    needs_truth = False

    top_folder = TOP_FOLDER

    def __init__(self, *, out_dir: str | os.PathLike, archive: str | None = 'submission.zip',
                 prefix: str | None = 'ref_youtube_vos', collect_device: str = 'cpu') -> None:
        super().__init__(prefix=prefix, collect_device=collect_device)
        self.out_dir, self.archive = Path(out_dir), archive

    def score(self, sample: VideoSegDataSample) -> Iterator[tuple[tuple[str, str, str], int]]:
        """Write the masks of one clip.

        Yields:
            ((video, expression, frame), number of frames of the whole video).

        Raises:
            ValueError: masks are not at original size.
        """
        check_original(sample, 'RefYouTubeVOSWriter')
        meta = sample.metainfo
        video = str(meta['video_id'])
        for n, expression in enumerate(meta['expression_ids']):
            for k, position in enumerate(sample.pred_frames):
                key = (video, str(expression), str(meta['frame_ids'][position]))
                write_mask_png(self.out_dir / self.member(key), sample.pred_masks[n, k].cpu().numpy())
                yield key, int(meta['num_frames'])

    def aggregate(self, records: dict[tuple[str, str, str], int]) -> dict[str, float]:
        """Check that every expression has all frames, and make the archive.

        What an interrupted test left unfinished beside the files is removed; no rank writes any more.

        Returns:
            ``videos``, ``expressions`` and ``frames`` written.

        Raises:
            RuntimeError: frames are missing.
        """
        counts = Counter((video, expression) for video, expression, _ in records)
        expected = {(video, expression): frames for (video, expression, _), frames in records.items()}
        short = [f'{video}/{expression}: {counts[video, expression]} of {frames}'
                 for (video, expression), frames in expected.items() if counts[video, expression] != frames]
        if short:
            more = f' and {len(short) - _SHOWN} more' if len(short) > _SHOWN else ''
            raise RuntimeError(f'frames are missing for {len(short)} expressions ({", ".join(short[:_SHOWN])}{more}); '
                               'the server wants every listed frame: test all clips of every video, then write again')
        members = [self.member(key) for key in records]
        for folder in {self.out_dir, *((self.out_dir / member).parent for member in members)}:
            remove_parts(folder)
        if self.archive is not None:
            zip_files(self.out_dir, members, self.out_dir / self.archive)
        videos = {video for video, _ in counts}
        return dict(videos=float(len(videos)), expressions=float(len(counts)), frames=float(len(records)))

    def member(self, key: tuple[str, str, str]) -> str:
        """Path of a frame inside the archive."""
        video, expression, frame = key
        names = (file_name('video', video), file_name('expression', expression), file_name('frame', frame) + '.png')
        return '/'.join((self.top_folder, *names) if self.top_folder else names)


@METRICS.register_module()
class MeViSWriter(RefYouTubeVOSWriter):
    """Writes ``<out_dir>/<video>/<expression>/<frame>.png`` (0/255, original size) and a zip with the videos at its
    root, as the MeViS server wants it.

    Args: see :class:`RefYouTubeVOSWriter`.
    """

    top_folder = ''

    def __init__(self, *, out_dir: str | os.PathLike, archive: str | None = 'submission.zip',
                 prefix: str | None = 'mevis', collect_device: str = 'cpu') -> None:
        super().__init__(out_dir=out_dir, archive=archive, prefix=prefix, collect_device=collect_device)


def zip_files(folder: str | os.PathLike, members: list[str], path: str | os.PathLike) -> None:
    """Zip files of a folder, the same bytes for the same contents; the archive appears whole or not at all.

    Args:
        folder: where the files lie.
        members: their paths below it, with ``/``; also their names in the archive.
        path: archive to write.

    Raises:
        FileNotFoundError: a file is missing.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, 'w', zipfile.ZIP_STORED) as archive:
        for member in sorted(members):
            info = zipfile.ZipInfo(member)  # a fixed date; PNGs are compressed already
            info.external_attr = 0o644 << 16
            archive.writestr(info, (Path(folder) / member).read_bytes())
