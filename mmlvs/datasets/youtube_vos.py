"""YouTube-VOS (2018, 2019): video objects without sentences."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from mmlvs.datasets.base import Expression, VideoRecord
from mmlvs.datasets.davis import frame_names
from mmlvs.datasets.flow import VideoFlowDataset
from mmlvs.datasets.mask_sources import IndexPNG, MaskSource
from mmlvs.datasets.png_masks import FOREGROUND, ForegroundPNG
from mmlvs.datasets.problems import accept_each
from mmlvs.datasets.ref_youtube_vos import videos_of
from mmlvs.registry import DATASETS


@DATASETS.register_module()
class YouTubeVOSDataset(VideoFlowDataset):
    """YouTube-VOS: ``<split>/meta.json``, folders of JPEG frames and of index PNGs; one track for each object.

    Rules for what is irregular in these files:

    * Frames are the files of ``JPEGImages/<video>`` (every 5th original frame, names need not start at 00000).
    * Objects are those of ``meta.json``; ids are texts and may have gaps; its lists of annotated frames are ignored,
      the masks tell.
    * ``valid`` and ``test`` have masks of the frames only where an object appears: others are not annotated.

    Args:
        merge: one foreground ``'1'`` of all objects (zero-shot pre-training) instead of a track per object; frames that
            show none are trained on, too.
        flow: folder of flow images ``<flow>/<video>/<frame>.png`` below the split, None = no flow.
        The others are those of :class:`VideoExpressionDataset`.
    """

    name = 'YouTube-VOS'

    def __init__(self, *, data_root: str | Path, split: str = 'train', pipeline: Sequence[dict | Callable] = (),
                 unit: str | None = None, clip_length: int | None = None, stride: int | None = None,
                 test_mode: bool = False, with_masks: bool | str = 'auto', seed: int = 0, limit: int | None = None,
                 merge: bool = False, flow: str | None = None) -> None:
        self.merge, self.flow, self.keep_empty = merge, flow, merge
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, unit=unit, clip_length=clip_length,
                         stride=stride, test_mode=test_mode, with_masks=with_masks, seed=seed, limit=limit)
        self.require_flow()

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`."""
        file = self.data_root / self.split / 'meta.json'
        return accept_each(partial(self._record, file), videos_of(file).items())

    def _record(self, file: Path, video_id: str, entry: dict) -> VideoRecord:
        if 'objects' not in entry:
            raise ValueError(f'{file}, video {video_id!r}: expected the key "objects"')
        frames = frame_names(self.data_root / self.split / 'JPEGImages' / video_id)
        objects = [FOREGROUND] if self.merge else list(entry['objects'])
        tracks = tuple(Expression(str(n), None, (o,)) for n, o in enumerate(objects))
        categories = {o: info['category'] for o, info in entry['objects'].items() if 'category' in info}
        return VideoRecord(video_id, tuple(frames), tracks, {} if self.merge else categories)

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """JPEG of a frame."""
        return self.data_root / self.split / 'JPEGImages' / video_id / f'{frame_id}.jpg'

    def flow_folder(self, video_id: str) -> Path | None:
        """Folder of the flow images of a video."""
        return None if self.flow is None else self.data_root / self.split / self.flow / video_id

    def mask_source(self) -> MaskSource | None:
        """Index PNGs, if the split has the folder."""
        folder = self.data_root / self.split / 'Annotations'
        if not folder.is_dir():
            return None
        if not self.merge:
            return IndexPNG(path=f'{folder}/{{video}}/{{frame}}.png', sparse=True)

        def file_of(video_id: str, frame_id: str) -> Path | None:
            file = folder / video_id / f'{frame_id}.png'
            return file if file.is_file() else None
        return ForegroundPNG(file_of=file_of)
