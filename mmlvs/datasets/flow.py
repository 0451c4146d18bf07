"""Flow images beside the frames of a video, paired by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmlvs.datasets.base import VideoExpressionDataset, VideoRecord
from mmlvs.datasets.problems import refuse
from mmlvs.io.video import natural_order

FLOW_SUFFIXES = ('.png', '.jpg', '.jpeg')


class VideoFlowDataset(VideoExpressionDataset):
    """Base of data sets whose items may have a second stream ``flow``, one image for each frame of the same name.

    A reader sets ``flow_folder`` (video id -> folder) or leaves it None. The names of all files of a folder are read
    once; a frame without flow image is an error that lists all of them, and files that belong to no frame are never
    touched. Items also tell which frame the flow of a frame leads to (:meth:`flow_partner`; :class:`LoadLookAhead`).
    """

    def flow_folder(self, video_id: str) -> Path | None:
        """Folder of the flow images of a video; None = the data set has no flow."""
        return None

    def flow_path(self, video_id: str, frame_id: str) -> Path:
        """Flow image of a frame.

        Raises:
            FileNotFoundError: there is none.
        """
        files = self._flow_files(video_id)
        if frame_id not in files:
            raise FileNotFoundError(f'{self.flow_folder(video_id)}: no flow image of frame {frame_id!r} (expected '
                                    f'{frame_id}.png or .jpg); make it with tools/dataset_converters/make_flow.py')
        return files[frame_id]

    def _flow_files(self, video_id: str) -> dict[str, Path]:
        if not hasattr(self, '_flow'):
            self._flow: dict[str, dict[str, Path]] = {}
        if video_id not in self._flow:
            self._flow[video_id] = files_by_name(self.flow_folder(video_id), FLOW_SUFFIXES)
        return self._flow[video_id]

    def missing_flow(self) -> list[str]:
        """Frames without flow image, as ``folder/frame``; empty if the data set has no flow."""
        missing = []
        for video in self.videos:
            folder = self.flow_folder(video.video_id)
            if folder is not None:
                missing += [f'{folder}/{f}' for f in self.frame_ids_of(video) if f not in
                            self._flow_files(video.video_id)]
        return missing

    def require_flow(self) -> None:
        """Raise a FileNotFoundError that lists every frame without flow image, if there are any."""
        missing = self.missing_flow()
        if missing:
            refuse(FileNotFoundError(f'{self.name}: {len(missing)} frames have no flow image of their name (.png or '
                                     '.jpg); make them with tools/dataset_converters/make_flow.py, or switch flow off: '
                                     + ', '.join(missing)))

    def all_frame_ids(self, video_id: str) -> list[str]:
        """All frames of a video in order, also those that are in no item."""
        if not hasattr(self, '_all_frames'):
            self._all_frames = {video.video_id: list(self.frame_ids_of(video)) for video in self.videos}
        return self._all_frames[video_id]

    def flow_partner(self, video_id: str, frame_id: str) -> Path | None:
        """Image of the frame that the flow of a frame leads to: the next one, from the last one the one before; None in
        a video of one frame."""
        frames = self.all_frame_ids(video_id)
        place = frames.index(frame_id)
        if len(frames) == 1:
            return None
        return self.frame_path(video_id, frames[place + 1 if place + 1 < len(frames) else place - 1])

    def extra_results(self, video: VideoRecord, positions: Sequence[int]) -> dict[str, Any]:
        """Where the flow images are, and which frame the flow of a frame leads to."""
        extra: dict[str, Any] = dict(flow_partner=self.flow_partner)
        if self.flow_folder(video.video_id) is not None:
            extra['stream_paths'] = dict(flow=self.flow_path)
        return extra


def files_by_name(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """Files of a folder by their names without suffix, in the order of the numbers in these; of several with one name
    the first suffix wins.

    Raises:
        FileNotFoundError: there is no folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: expected a folder with files {", ".join("*" + s for s in suffixes)}; check '
                                'data_root and its layout')
    found: dict[str, Path] = {}
    for file in sorted(natural_order(folder.iterdir()), key=lambda f: _rank(f, suffixes)):
        if _rank(file, suffixes) < len(suffixes) and not file.name.startswith('.'):
            found.setdefault(file.stem, file)
    return {path.name: found[path.name] for path in natural_order(Path(name) for name in found)}


def _rank(file: Path, suffixes: Sequence[str]) -> int:
    suffix = file.suffix.lower()
    return suffixes.index(suffix) if suffix in suffixes else len(suffixes)
