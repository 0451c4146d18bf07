"""ReVOS: referring, reasoning and no-target sentences about videos of several other sets."""

from functools import partial
from pathlib import Path
from typing import Any

from mmlvs.datasets.base import VideoExpressionDataset, VideoRecord
from mmlvs.datasets.mask_sources import MaskSource
from mmlvs.datasets.mevis import instance_record
from mmlvs.datasets.problems import accept_each
from mmlvs.datasets.ref_youtube_vos import videos_of
from mmlvs.datasets.rle_masks import RLEMasks
from mmlvs.registry import DATASETS

KINDS = {0: 'referring', 1: 'reasoning', 2: 'no target'}
"""``type_id`` of an expression."""


def annotation_file(data_root: Path, split: str) -> Path:
    """Annotation file of a split: ``meta_expressions_<split>_.json`` as distributed, or without the last underscore."""
    file = data_root / f'meta_expressions_{split}_.json'
    other = data_root / f'meta_expressions_{split}.json'
    return other if other.is_file() and not file.is_file() else file


def video_folder(data_root: Path, video_id: str) -> Path:
    """Folder of frames of a video, whose id has slashes and may begin with ``JPEGImages/``, or not."""
    folder = data_root / video_id
    return folder if folder.is_dir() else data_root / 'JPEGImages' / video_id.removeprefix('JPEGImages/')


@DATASETS.register_module()
class ReVOSDataset(VideoExpressionDataset):
    """ReVOS: ``meta_expressions_{train,valid}_.json``, JPEG folders, one ``mask_dict.json`` for both splits.

    Rules for what is irregular in these files:

    * Names of annotation files end in an underscore; one without is taken where only that is there.
    * Video ids are paths ("LVVIS/train/00012"), with or without "JPEGImages/" in front; folders are found either way.
    * Instances, sorted frames, empty ``anno_id`` (no target): as :class:`~mmlvs.datasets.mevis.MeViSDataset`.
      ``type_id`` (:data:`KINDS`) and ``type`` stay in ``expressions_info``.
    * ``mask_dict_foreground.json`` (robustness score, :class:`ReVOSMetric`) has per frame one code, a list, or null.

    Args: see :class:`VideoExpressionDataset`; splits ``train`` and ``valid``.
    """

    name = 'ReVOS'

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """JPEG of a frame."""
        return video_folder(self.data_root, video_id) / f'{frame_id}.jpg'

    def mask_source(self) -> MaskSource | None:
        """Run-length codes, if the file is there."""
        file = self.data_root / 'mask_dict.json'
        return RLEMasks(file=file, video_size=self.frame_size) if file.is_file() else None

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`."""
        file = annotation_file(self.data_root, self.split)
        return accept_each(partial(instance_record, file), videos_of(file).items())


def parts_of(frame: Any) -> list[dict]:
    """Codes of a frame of the foreground file: null, one code, or a list of codes and nulls."""
    if frame is None:
        return []
    return [part for part in (frame if isinstance(frame, list) else [frame]) if part is not None]
