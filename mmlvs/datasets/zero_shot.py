"""Zero-shot and saliency sets in the layout of Isomer: ``<set>/<sequence>/{Frame,Flow,GT}``."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mmlvs.datasets.base import Expression, VideoRecord
from mmlvs.datasets.flow import VideoFlowDataset, files_by_name
from mmlvs.datasets.mask_sources import MaskSource
from mmlvs.datasets.png_masks import FOREGROUND, ForegroundPNG
from mmlvs.datasets.problems import refuse
from mmlvs.registry import DATASETS

FRAME_SUFFIXES = ('.jpg', '.jpeg', '.png')
GT_SUFFIXES = ('.png', '.jpg', '.jpeg')


@DATASETS.register_module()
class ZeroShotDataset(VideoFlowDataset):
    """One foreground per video and no sentence: DAVIS, FBMS, Long-Videos, MCL, ViSal, DAVSOD, SegTrack-V2, VOS and
    YouTube-VOS in the layout of Isomer (section 5.1 of its specification).

    Rules for what is irregular in these files:

    * Frames are the **GT files**: a frame without truth is not used (FBMS is annotated about every 20th frame), unless
      ``frames='all'``, which streams every file of ``Frame``.
    * ``Frame``, ``Flow`` and ``GT`` are paired **by name** without suffix, never by position; a missing file is an
      error that lists all of them, an extra one is never touched.
    * Suffixes differ between sets and folders (png, jpg). Frames come in the order of the numbers in their names.
    * A mask without foreground is truth like any other: it is trained on and scored.
    * Truth keeps its grey values 0..255 (soft saliency); ``soft=False`` makes any value above 0 foreground.
    * Sequences come in the order of their names, and every folder of the set is one; hidden files do not count.

    Args:
        split: name of the set under ``data_root`` (``TrainSet`` or ``TestSet``).
        flow: items have a stream ``flow``.
        frames: ``'annotated'`` or ``'all'``, see above.
        soft: see above.
        The others are those of :class:`VideoExpressionDataset`; there is one track a video.
    """

    name = 'zero-shot'
    keep_empty = True

    def __init__(self, *, data_root: str | Path, split: str = 'DAVIS', pipeline: Sequence[dict | Callable] = (),
                 clip_length: int | None = None, stride: int | None = None, test_mode: bool = False,
                 with_masks: bool | str = 'auto', seed: int = 0, limit: int | None = None, flow: bool = True,
                 frames: str = 'annotated', soft: bool = True) -> None:
        if frames not in ('annotated', 'all'):
            raise ValueError(f"frames {frames!r}: expected 'annotated' or 'all'")
        self.flow, self.frames, self.soft = flow, frames, soft
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, clip_length=clip_length, stride=stride,
                         test_mode=test_mode, with_masks=with_masks, seed=seed, limit=limit)
        self.require_flow()

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`."""
        root = self.data_root / self.split
        folders = root.iterdir() if root.is_dir() else ()
        sequences = sorted(f for f in folders if f.is_dir() and not f.name.startswith('.'))
        if not sequences:
            raise FileNotFoundError(f'{root}: expected folders of sequences with Frame, GT and Flow; check data_root '
                                    '(TrainSet or TestSet) and split (the name of the set)')
        self._frames = {s.name: files_by_name(s / 'Frame', FRAME_SUFFIXES) for s in sequences}
        self._truth = {s.name: files_by_name(s / 'GT', GT_SUFFIXES) if (s / 'GT').is_dir() else {} for s in sequences}
        lost = [f'{root / video}/Frame/{frame}' for video, truth in self._truth.items() for frame in truth
                if frame not in self._frames[video]]
        if lost:
            refuse(FileNotFoundError(f'{self.name}: {len(lost)} masks have no frame of their name (.jpg or .png): '
                                     + ', '.join(lost)))
        chosen = self._frames if self.frames == 'all' else self._truth
        bare = [str(root / video) for video, frames in chosen.items() if not frames]
        if bare:
            what, remedy = ('Frame', '') if self.frames == 'all' else ('GT', ", or set frames='all' to predict only")
            refuse(FileNotFoundError(f'{self.name}: {len(bare)} sequences have no file in {what}; complete or remove '
                                     f'them{remedy}: ' + ', '.join(bare)))
        return [VideoRecord(video, tuple(f for f in frames if f in self._frames[video]),
                            (Expression('0', None, (FOREGROUND,)),)) for video, frames in chosen.items() if frames]

    def all_frame_ids(self, video_id: str) -> list[str]:
        """Frames of ``Frame``, with truth or without."""
        return list(self._frames[video_id])

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """Image of a frame."""
        return self._frames[video_id][frame_id]

    def flow_folder(self, video_id: str) -> Path | None:
        """Folder of the flow images of a sequence."""
        return self.data_root / self.split / video_id / 'Flow' if self.flow else None

    def mask_source(self) -> MaskSource | None:
        """Grey masks, if the set has any."""
        if not any(self._truth.values()):
            return None
        return ForegroundPNG(file_of=lambda video_id, frame_id: self._truth[video_id].get(frame_id), soft=self.soft)
