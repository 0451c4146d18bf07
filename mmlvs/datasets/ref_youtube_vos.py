"""Ref-YouTube-VOS (2021 release) and every data set written in its layout."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmlvs.datasets.base import Expression, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.mask_sources import IndexPNG, MaskSource, object_number
from mmlvs.datasets.problems import accept_each
from mmlvs.registry import DATASETS

LAYOUTS: dict[str, dict[str, Any]] = dict(
    official=dict(expressions='meta_expressions/{split}/meta_expressions.json', meta='{split}/meta.json',
                  frames='{split}/JPEGImages', masks='{split}/Annotations', without={'valid': 'test'}, only=None),
    flat=dict(expressions='meta_expressions.json', meta='meta.json', frames='JPEGImages', masks='Annotations',
              without={}, only=None),
)
"""Where things lie under the root. ``frames`` and ``masks`` may hold ``{video}`` besides ``{split}``; ``without``:
split -> split whose videos are taken out of it; ``only``: names of the videos to keep (None = all)."""


@DATASETS.register_module()
class RefYouTubeVOSDataset(VideoExpressionDataset):
    """Ref-YouTube-VOS: ``meta_expressions.json``, folders of JPEG frames and of index PNGs.

    The official ``valid`` file also lists the videos of ``test``; those are taken out (202 of 507 stay). Unknown keys
    of expressions are kept in ``expressions_info``. ``obj_id`` is a string or number, or a list of them (union); the
    official ``valid`` and ``test`` files have none.

    Args:
        layout: ``'official'`` (``<root>/<split>/JPEGImages/<video>/<frame>.jpg``), ``'flat'`` (the root is one split:
            ``<root>/JPEGImages/...``, ``<root>/meta_expressions.json``), or a dict with ``base`` (one of the two) and
            the keys of :data:`LAYOUTS` that differ.
        The others are those of :class:`VideoExpressionDataset`.
    """

    name = 'Ref-YouTube-VOS'

    def __init__(self, *, data_root: str | Path, split: str = 'train', pipeline: Sequence[dict | Callable] = (),
                 unit: str | None = None, clip_length: int | None = None, stride: int | None = None,
                 test_mode: bool = False, with_masks: bool | str = 'auto', seed: int = 0, max_retries: int = 100,
                 limit: int | None = None, layout: str | Mapping[str, Any] = 'official') -> None:
        self.layout = _layout(layout)
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, unit=unit, clip_length=clip_length,
                         stride=stride, test_mode=test_mode, with_masks=with_masks, seed=seed, max_retries=max_retries,
                         limit=limit)

    def _place(self, what: str, video_id: str = '{video}') -> Path:
        return self.data_root / self.layout[what].format(split=self.split, video=video_id)

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """JPEG of a frame."""
        return self._place('frames', video_id) / video_id / f'{frame_id}.jpg'

    def mask_source(self) -> MaskSource | None:
        """Index PNGs, if the split has the folder."""
        there = self._place('masks', self.videos[0].video_id).is_dir()
        return IndexPNG(path=f'{self._place("masks")}/{{video}}/{{frame}}.png') if there else None

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`; videos of the split named in ``without`` are taken out."""
        file = self._place('expressions')
        videos = videos_of(file)
        without = self.layout['without'].get(self.split)
        if without is not None:
            other = self.data_root / self.layout['expressions'].format(split=without)
            if not other.is_file():
                print_log(f'{other} is missing: if {file} is the official one, videos of the split {without!r} are '
                          'listed in it too and should be taken out; unpack that file. For other data set '
                          'layout=dict(without={})', logger='current', level=logging.WARNING)
            out = set(videos_of(other)) if other.is_file() else set()
            videos = {v: entry for v, entry in videos.items() if v not in out}
        if self.layout['only'] is not None:
            unknown = sorted(set(self.layout['only']) - set(videos))
            if unknown:
                raise ValueError(f'{file}: layout["only"] names {unknown}, which it does not list')
            videos = {v: videos[v] for v in self.layout['only']}
        categories = self._categories()
        return accept_each(lambda video_id, entry: video_record(file, video_id, entry, categories.get(video_id)),
                           videos.items())

    def _categories(self) -> dict[str, dict[str, str]]:
        file = self._place('meta')
        if not file.is_file():
            return {}
        return {video_id: {o: entry['category'] for o, entry in video.get('objects', {}).items() if 'category' in entry}
                for video_id, video in videos_of(file).items()}


def _layout(layout: str | Mapping[str, Any]) -> dict[str, Any]:
    changes = {} if isinstance(layout, str) else dict(layout)
    base = layout if isinstance(layout, str) else changes.pop('base', 'official')
    if base not in LAYOUTS:
        raise ValueError(f'layout {base!r}: expected one of {sorted(LAYOUTS)}')
    unknown = set(changes) - set(LAYOUTS[base])
    if unknown:
        raise ValueError(f'layout: unknown {sorted(unknown)}, expected some of {sorted(LAYOUTS[base])}')
    return {**LAYOUTS[base], **changes}


def videos_of(file: Path) -> dict[str, dict]:
    """The entry ``videos`` of an annotation file, in file order (Ref-YouTube-VOS and the sets in its manner).

    Raises:
        FileNotFoundError: there is no file.
        ValueError: the file is no JSON, or has no such entry.
    """
    if not file.is_file():
        raise FileNotFoundError(f'{file}: expected the annotation file of the split; check data_root, split and layout')
    try:
        return dict(json.loads(file.read_text(encoding='utf-8'))['videos'])
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f'{file}: is no valid JSON ({error}); fetch or convert it again') from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{file}: expected an object with the key "videos", itself an object') from error


def video_record(file: Path, video_id: str, entry: dict, categories: dict[str, str] | None = None, *,
                 pixel_values: bool = True) -> VideoRecord:
    """Record of a video of an annotation file whose expressions name an object (or several) under ``obj_id``.

    Args:
        file: the annotation file, for messages.
        video_id: the video.
        entry: what the file says about it.
        categories: object id -> category.
        pixel_values: object ids are pixel values of index PNGs; False: any text.

    Raises:
        ValueError: a key is missing, or an object id is no pixel value.
    """
    where = f'{file}, video {video_id!r}'
    for key in ('expressions', 'frames'):
        if key not in entry:
            raise ValueError(f'{where}: expected the key {key!r}')
    expressions = []
    for expression_id, row in entry['expressions'].items():
        if not isinstance(row.get('exp'), str):
            raise ValueError(f'{where}, expression {expression_id!r}: expected the sentence under the key "exp"')
        objects = row.get('obj_id')
        if objects is not None:
            objects = tuple(str(o) for o in (objects if isinstance(objects, list) else [objects]))
        try:
            for object_id in (objects or ()) if pixel_values else ():
                object_number(object_id)
        except ValueError as error:
            raise ValueError(f'{where}, expression {expression_id!r}: {error}') from error
        chunks = tuple((int(start), int(end)) for start, end in row.get('noun_chunks', ()))
        info = {k: v for k, v in row.items() if k not in ('exp', 'obj_id', 'noun_chunks')}
        expressions.append(Expression(str(expression_id), row['exp'], objects, chunks, info))
    return VideoRecord(video_id, tuple(str(f) for f in entry['frames']), tuple(expressions), categories or {})
