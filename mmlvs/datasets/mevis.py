"""MeViS: sentences about motion, each for 0..n instances of a video."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mmlvs.datasets.base import Expression, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.mask_sources import MaskSource
from mmlvs.datasets.problems import accept_each
from mmlvs.datasets.ref_youtube_vos import videos_of
from mmlvs.datasets.rle_masks import RLEMasks
from mmlvs.registry import DATASETS


@DATASETS.register_module()
class MeViSDataset(VideoExpressionDataset):
    """MeViS (versions 1, 2): ``<split>/meta_expressions.json``, JPEG folders, run-length codes in ``mask_dict.json``.

    Rules for what is irregular in these files:

    * The objects of an expression are its ``anno_id``, numbers whose texts are the keys of ``mask_dict.json``; they are
      the object ids here. ``obj_id`` and all other keys (also unknown ones, e.g. paths of audio) stay in
      ``expressions_info``. Ids need not be contiguous, nor ordered in an expression.
    * The target is the union of the instances, which may overlap. An empty ``anno_id`` refers to nothing: no object,
      empty target (such items never count as showing no target).
    * The codes of an object stand at the positions of the frames in ``frames``, null = absent. So ``frames`` must be
      sorted; a file where they are not is refused, as its codes could belong to either order.
    * ``valid`` and ``test`` have sentences only (no ``anno_id``, no mask file): they can be tested, not scored.
    * Expression ids keep the order of the file ("0", "1", "10", "2" happens).

    Args: see :class:`VideoExpressionDataset`; splits ``train``, ``valid_u``, ``valid``, ``test``.
    """

    name = 'MeViS'

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """JPEG of a frame."""
        return self.data_root / self.split / 'JPEGImages' / video_id / f'{frame_id}.jpg'

    def mask_source(self) -> MaskSource | None:
        """Run-length codes, if the split has them."""
        file = self.data_root / self.split / 'mask_dict.json'
        return RLEMasks(file=file, video_size=self.frame_size) if file.is_file() else None

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`."""
        file = self.data_root / self.split / 'meta_expressions.json'
        return accept_each(partial(instance_record, file), videos_of(file).items())


def instance_record(file: Path, video_id: str, entry: Mapping[str, Any]) -> VideoRecord:
    """Record of a video whose expressions name instances of a mask file (MeViS, ReVOS).

    Raises:
        ValueError: a key is missing, or the frames are not sorted.
    """
    where = f'{file}, video {video_id!r}'
    for key in ('expressions', 'frames'):
        if key not in entry:
            raise ValueError(f'{where}: expected the key {key!r}')
    frames = [str(frame) for frame in entry['frames']]
    if frames != sorted(frames):
        raise ValueError(f'{where}: frames are not sorted, but masks are stored by position; sort them, and the codes '
                         'of the mask file with them')
    expressions = []
    for expression_id, row in entry['expressions'].items():
        if not isinstance(row.get('exp'), str):
            raise ValueError(f'{where}, expression {expression_id!r}: expected the sentence under the key "exp"')
        instances = row.get('anno_id')
        if instances is not None:
            instances = tuple(str(a) for a in (instances if isinstance(instances, list) else [instances]))
        info = {key: value for key, value in row.items() if key not in ('exp', 'anno_id')}
        expressions.append(Expression(str(expression_id), row['exp'], instances, info=info))
    return VideoRecord(video_id, tuple(frames), tuple(expressions))
