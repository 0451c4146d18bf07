"""Long-RVOS: long videos, one object per sentence, key frames from the video codec."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmlvs.datasets.base import ItemPlan, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.mask_sources import MaskSource
from mmlvs.datasets.png_masks import ObjectPNG
from mmlvs.datasets.problems import accept_each
from mmlvs.datasets.ref_youtube_vos import video_record, videos_of
from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.datasets.transforms.sampling import take_frames
from mmlvs.registry import DATASETS, TRANSFORMS

GROUP_LENGTH = 12
"""Frames of a full group of the codec: an I frame and 11 P frames."""
KEYS_PER_REPETITION = 10


def group_starts(frame_types: Sequence[str]) -> list[int]:
    """Key frames: positions of the I frames that are followed by exactly 11 P frames and another I frame.

    The last I frame of a video never counts: nothing tells that its group is complete.
    """
    starts = [position for position, kind in enumerate(frame_types) if kind == 'I']
    return [start for start, stop in zip(starts, starts[1:], strict=False)
            if stop - start == GROUP_LENGTH and set(frame_types[start + 1:stop]) == {'P'}]


def read_frame_types(data_root: Path, split: str) -> dict[str, list[str]]:
    """``motions/<split>/frame_types.json``: video -> kind of each frame, ``'I'`` or ``'P'``.

    Raises:
        FileNotFoundError: there is no such file.
    """
    file = Path(data_root) / 'motions' / split / 'frame_types.json'
    if not file.is_file():
        raise FileNotFoundError(f'{file}: kinds of frames are missing; unpack the motions of the split')
    return json.loads(file.read_text(encoding='utf-8'))


def motion_file(data_root: Path, split: str, video_id: str) -> Path:
    """Motion vectors of a video: ``motions/<split>/<video>.npy``, or in a further folder ``motions``."""
    folder = Path(data_root) / 'motions' / split
    inner = folder / 'motions' / f'{video_id}.npy'
    return inner if inner.is_file() else folder / f'{video_id}.npy'


@DATASETS.register_module()
class LongRVOSDataset(VideoExpressionDataset):
    """Long-RVOS: ``<split>/meta_expressions.json``, JPEG folders, one PNG per object and frame.

    Rules for what is irregular in these files:

    * No mask file = the object is absent in that frame; a frame without any is annotated all the same.
    * Frame names are labels with gaps ("00000", "00003", ...); ``type`` (static, dynamic, hybrid) stays in
      ``expressions_info``; object ids are texts.
    * Motion vectors and kinds of frames lie in ``motions/<split>/``, vectors also in a folder ``motions`` there.

    Args:
        sample: training items: ``'starts'``: one for each start frame, as everywhere; ``'key_frames'``: each expression
            as often as the video has full tens of key frames (:func:`group_starts`; a video with fewer gives none), for
            :class:`SampleVideoKeyFrames`.
        The others are those of :class:`VideoExpressionDataset`; splits ``train``, ``valid``, ``test``.
    """

    name = 'Long-RVOS'

    def __init__(self, *, data_root: str | Path, split: str = 'train', pipeline: Sequence[dict | Callable] = (),
                 unit: str | None = None, clip_length: int | None = None, stride: int | None = None,
                 test_mode: bool = False, with_masks: bool | str = 'auto', seed: int = 0, max_retries: int = 100,
                 limit: int | None = None, sample: str = 'starts') -> None:
        if sample not in ('starts', 'key_frames'):
            raise ValueError(f"sample {sample!r}: expected 'starts' or 'key_frames'")
        self.sample = sample
        self.frame_types = read_frame_types(Path(data_root), split) if sample == 'key_frames' else {}
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, unit=unit, clip_length=clip_length,
                         stride=stride, test_mode=test_mode, with_masks=with_masks, seed=seed, max_retries=max_retries,
                         limit=limit)

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """JPEG of a frame."""
        return self.data_root / self.split / 'JPEGImages' / video_id / f'{frame_id}.jpg'

    def mask_source(self) -> MaskSource | None:
        """PNGs of the objects, if the split has the folder."""
        folder = self.data_root / self.split / 'Annotations'
        if not folder.is_dir():
            return None
        return ObjectPNG(path=f'{folder}/{{video}}/{{object}}/{{frame}}.png', video_size=self.frame_size)

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`."""
        file = self.data_root / self.split / 'meta_expressions.json'
        return accept_each(partial(video_record, file, pixel_values=False), videos_of(file).items())

    def _plan(self, v: int, video: VideoRecord) -> list[ItemPlan]:
        if self.test_mode or self.sample == 'starts':
            return super()._plan(v, video)
        repetitions = len(self._key_frames_of(video)) // KEYS_PER_REPETITION
        return [ItemPlan(v, group, 0, len(video.frame_ids)) for group in self._groups(video)
                for _ in range(repetitions)]

    def _key_frames_of(self, video: VideoRecord) -> list[int]:
        if video.video_id not in self.frame_types:
            raise ValueError(f'{self.name}: motions/{self.split}/frame_types.json lacks video {video.video_id!r}; '
                             'unpack the motions of the split again')
        return group_starts(self.frame_types[video.video_id])

    def extra_results(self, video: VideoRecord, positions: Sequence[int]) -> dict[str, Any]:
        """The key frames to draw from (``video_key_frames``), if items are made for them."""
        return {} if self.sample == 'starts' else dict(video_key_frames=self._key_frames_of(video))


@TRANSFORMS.register_module()
class SampleVideoKeyFrames(ClipTransform):
    """Draws ``num_frames`` of the video's key frames without replacement, in order (Long-RVOS).

    Args:
        num_frames: frames of the clip; 6 in the reference.

    Raises:
        KeyError: the data set tells no key frames (``sample='key_frames'``).
    """

    def __init__(self, *, num_frames: int = 6) -> None:
        if num_frames < 1:
            raise ValueError(f'num_frames {num_frames}: expected at least 1')
        self.num_frames = num_frames

    def transform(self, results: Results) -> Results:
        """Narrow the listed frames to the clip."""
        if 'video_key_frames' not in results:
            raise KeyError("SampleVideoKeyFrames needs a LongRVOSDataset with sample='key_frames'")
        keys = results['video_key_frames']
        drawn = results['rng'].choice(len(keys), size=self.num_frames, replace=False)
        return take_frames(results, sorted(keys[int(position)] for position in drawn))
