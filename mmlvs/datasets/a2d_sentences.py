"""A2D-Sentences: mp4 clips, a few annotated frames each, HDF5 masks of all actors, one sentence per actor."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.base import Expression, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.frame_files import count_frames, video_frame_path
from mmlvs.datasets.mask_sources import A2DMasks, MaskSource, a2d_object_mask, read_h5
from mmlvs.registry import DATASETS

SUBSETS = dict(train=0, test=1, val=1, valid=1)
"""Split -> number in the last column of ``videoset.csv``; the set has no validation split of its own."""
PLACES = dict(
    clips=('Release/clips320H', 'Release/CLIPS320', 'Release/clips320', 'Release/CLIPS320H', 'clips320H', 'CLIPS320'),
    frames=('frames', 'Release/frames'),
    videoset=('Release/videoset.csv', 'videoset.csv'),
    annotation=('text_annotations/a2d_annotation.txt', 'Release/a2d_annotation.txt', 'a2d_annotation.txt'),
    missed=('text_annotations/a2d_missed_videos.txt', 'Release/a2d_missed_videos.txt', 'a2d_missed_videos.txt'),
    masks=('text_annotations/a2d_annotation_with_instances', 'Release/a2d_annotation_with_instances',
           'a2d_annotation_with_instances'),
    list=('a2d_sentences_single_frame_{subset}_annotations.json',
          'Release/a2d_sentences_single_frame_{subset}_annotations.json'),
)
"""Where things lie under the root, in the layout of MTTR and ReferFormer, of LAVT-RS, or with the root at Release."""
Row = tuple[str, str, int, int]


def find_place(data_root: Path, what: str, subset: str = '') -> Path | None:
    """The first existing place of a file or folder of :data:`PLACES`, or None."""
    places = [data_root / place.format(subset=subset) for place in PLACES[what]]
    return next((place for place in places if place.exists()), None)


def need_place(data_root: Path, what: str) -> Path:
    """:func:`find_place`, which must exist.

    Raises:
        FileNotFoundError: none of the places exists.
    """
    found = find_place(data_root, what)
    if found is None:
        raise FileNotFoundError(f'{data_root}: A2D-Sentences needs one of {list(PLACES[what])} there; check data_root, '
                                'or unpack the download')
    return found


def videos_of_subset(data_root: Path, subset: str) -> set[str]:
    """Videos of a subset by ``videoset.csv`` (no header, 9 columns), without the missed ones.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or a row has other columns.
    """
    file = need_place(data_root, 'videoset')
    with file.open(newline='', encoding='utf-8') as stream:
        rows = [row for row in csv.reader(stream) if row]
    for number, row in enumerate(rows, 1):
        if len(row) != 9 or row[8].strip() not in ('0', '1'):
            raise ValueError(f'{file}, line {number}: expected 9 columns with the subset 0 or 1 as last, found {row}')
    missed = need_place(data_root, 'missed').read_text(encoding='utf-8').split()
    return {row[0] for row in rows if int(row[8]) == SUBSETS[subset]} - set(missed)


def read_queries(data_root: Path) -> list[tuple[str, int, str]]:
    """(video, instance, query) of ``a2d_annotation.txt``, in file order; instance ids such as "1 (copy)" are dropped.

    Raises:
        FileNotFoundError, ValueError: the file is missing, or has other columns.
    """
    file = need_place(data_root, 'annotation')
    with file.open(newline='', encoding='utf-8') as stream:
        reader = csv.DictReader(stream)
        missing = {'video_id', 'instance_id', 'query'} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f'{file}: expected a header with {sorted(missing)}, found {reader.fieldnames}')
        rows = [(row['video_id'], row['instance_id'].strip(), row['query']) for row in reader]
    return [(video, int(instance), query) for video, instance, query in rows if instance.isdecimal()]


def build_list(data_root: Path, subset: str, progress: Callable[[Iterable], Iterable] = iter) -> list[Row]:
    """The per-frame list [query, video, frame from 1, instance] of a subset, as MTTR builds it once.

    For every row of the text file, in order: the frames of the video, in order, in which the instance is annotated. The
    query is lower-cased only.
    """
    videos = videos_of_subset(data_root, subset)
    masks = need_place(data_root, 'masks')
    instances: dict[str, list[tuple[int, set[float]]]] = {}
    rows: list[Row] = []
    for video, instance, query in progress(read_queries(data_root)):
        if video not in videos:
            continue
        if video not in instances:
            instances[video] = [(int(file.stem), set(read_h5(file, 'instance')[0].reshape(-1).tolist()))
                                for file in sorted((masks / video).glob('*.h5'))]
        rows += [(query.lower(), video, frame, instance) for frame, ids in instances[video] if instance in ids]
    return rows


def read_list(data_root: Path, subset: str) -> list[Row]:
    """The per-frame list of a subset: the file built once, or built now from the text annotations.

    Raises:
        ValueError: the file is no list of [query, video, frame, instance].
    """
    file = find_place(data_root, 'list', 'train' if SUBSETS[subset] == 0 else 'test')
    if file is None:
        return build_list(data_root, subset)
    try:
        return [(str(q), str(v), int(f), int(i)) for q, v, f, i in json.loads(file.read_text(encoding='utf-8'))]
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise ValueError(f'{file}: expected a list of [query, video, frame, instance] ({error}); build it again with '
                         'tools/dataset_converters/a2d_sentences.py') from error


def key_frame_records(rows: Sequence[tuple[str, str, int, str]], infos: Sequence[dict] | None = None,
                      frames: dict[str, tuple[str, ...]] | None = None) -> list[VideoRecord]:
    """Records of annotated frames: rows of (video, query, position of the frame from 0, object), in order.

    Rows of a video with one query and object are one expression with several key frames; a row that repeats a frame of
    it begins another expression. Expressions are numbered from 0 in a video.
    """
    videos: dict[str, list[dict[str, Any]]] = {}
    for n, (video, query, frame, object_id) in enumerate(rows):
        expressions = videos.setdefault(video, [])
        same = next((e for e in reversed(expressions) if (e['query'], e['object']) == (query, object_id)), None)
        if same is None or frame in same['frames']:
            same = dict(query=query, object=object_id, frames=[], info=dict(infos[n]) if infos else {})
            expressions.append(same)
        same['frames'].append(frame)
    return [VideoRecord(video, None if frames is None else frames[video], tuple(
        Expression(str(number), e['query'], (e['object'],), (), e['info'], tuple(e['frames']))
        for number, e in enumerate(expressions))) for video, expressions in videos.items()]


@DATASETS.register_module()
class A2DSentencesDataset(VideoExpressionDataset):
    """Sentences about actors in annotated frames of short clips; key-frame items.

    Rules for what is odd in the files:

    * Instance ids that are no numbers ("1 (copy)") and missed videos are left out.
    * Frame names count from 1; the annotated frame is the decoded one at position frame - 1.
    * A frame without the instance gives no item, so it is not evaluated.
    * Sentences keep their white space (:class:`CleanText` cleans them); they are lower-case in the lists.
    * Masks come transposed, without the first axis for a single instance; ids are floats with gaps (:class:`A2DMasks`).
    * The number of frames in ``videoset.csv`` is not trusted: frames are counted when a clip is read.
    * Video ids may begin with "-" or "_".
    * The set has no validation split: ``val`` is ``test``.

    Frames come from ``frames/<video>/00001.png`` if the converter extracted them, otherwise from the mp4. Testing with
    ``unit='video'`` gives one item per annotated frame with all sentences about it: masks and frames are decoded once.
    Every entry of ``expressions_info`` has the sample's ``image_id`` in the COCO ground truth.

    Args:
        clip_length: frames of a clip, for a sampling transform that names none.
        The others are those of :class:`VideoExpressionDataset`.
    """

    name = 'A2D-Sentences'
    key_frame_items = True

    def __init__(self, *, data_root: str | Path, split: str = 'train', pipeline: Sequence[dict | Callable] = (),
                 unit: str | None = None, clip_length: int | None = None, test_mode: bool = False,
                 with_masks: bool | str = 'auto', seed: int = 0, max_retries: int = 100,
                 limit: int | None = None) -> None:
        if split not in SUBSETS:
            raise ValueError(f'split {split!r}: expected one of {sorted(SUBSETS)}')
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, unit=unit, clip_length=clip_length,
                         test_mode=test_mode, with_masks=with_masks, seed=seed, max_retries=max_retries, limit=limit)

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`; ``rows`` keeps the official list in its order."""
        self._clips, self._frames = find_place(self.data_root, 'clips'), find_place(self.data_root, 'frames')
        self._folders: dict[str, Path | None] = {}
        if self._clips is None and self._frames is None:
            need_place(self.data_root, 'clips')
        self.rows = read_list(self.data_root, self.split)
        return key_frame_records([(video, query, frame - 1, str(instance))
                                  for query, video, frame, instance in self.rows],
                                 [dict(instance=instance) for *_, instance in self.rows])

    def _extracted(self, video_id: str) -> Path | None:
        if video_id not in self._folders:
            folder = None if self._frames is None else self._frames / video_id
            self._folders[video_id] = folder if folder is not None and folder.is_dir() else None
        return self._folders[video_id]

    def list_frames(self, video_id: str) -> list[str]:
        """Names 00001, 00002, ... of the frames that are extracted, or can be decoded."""
        folder = self._extracted(video_id)
        count = count_frames(self.clip_file(video_id)) if folder is None else _count_files(folder)
        return [f'{number:05d}' for number in range(1, count + 1)]

    def clip_file(self, video_id: str) -> Path:
        """The mp4 of a video."""
        return (self._clips or self.data_root / PLACES['clips'][0]) / f'{video_id}.mp4'

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """The extracted PNG, or the frame of the mp4."""
        folder = self._extracted(video_id)
        if folder is not None:
            return folder / f'{frame_id}.png'
        return Path(video_frame_path(self.clip_file(video_id), int(frame_id) - 1))

    def mask_source(self) -> MaskSource | None:
        """HDF5 files, if the folder is there."""
        folder = find_place(self.data_root, 'masks')
        return None if folder is None else A2DMasks(path=f'{folder}/{{video}}/{{frame}}.h5')

    def results_of(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        """See the base; adds the ``image_id`` of every sample."""
        results = super().results_of(index, rng)
        stem = f'v_{results["video_id"]}_f_{results["key_frame"] + 1}'
        for info in results['expressions_info']:
            info['image_id'] = f'{stem}_i_{info["instance"]}'
        return results


@lru_cache(maxsize=16384)
def _count_files(folder: Path) -> int:
    return sum(1 for _ in folder.glob('*.png'))


def truth_samples(data_root: Path, rows: Iterable[Row]) -> list[tuple[str, np.ndarray, list[float]]]:
    """Image id, mask (H, W) and box x, y, w, h of the rows of a per-frame list, for the COCO ground truth.

    The box comes from ``reBBox``, whose rows are x1, y1, x2, y2.
    """
    folder, samples = need_place(data_root, 'masks'), []
    for _, video, frame, instance in rows:
        re_mask, ids, boxes = read_h5(folder / video / f'{frame:05d}.h5', 'reMask', 'instance', 'reBBox')
        k = int(np.flatnonzero(ids.reshape(-1) == instance)[0])
        x1, y1, x2, y2 = (float(v) for v in boxes.reshape(4, -1)[:, k])
        mask = a2d_object_mask(re_mask, ids, instance)
        samples.append((f'v_{video}_f_{frame}_i_{instance}', mask, [x1, y1, x2 - x1, y2 - y1]))
    return samples
