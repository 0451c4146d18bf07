"""Ref-DAVIS17: DAVIS 2017 with sentences of two annotators, as downloaded or in the layout of Ref-YouTube-VOS."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.base import VideoExpressionDataset, VideoRecord
from mmlvs.datasets.mask_sources import IndexPNG, MaskSource
from mmlvs.datasets.problems import refuse
from mmlvs.datasets.ref_youtube_vos import video_record, videos_of
from mmlvs.io import read_index_png
from mmlvs.registry import DATASETS

TEXT_FILES = (('Davis17_annot1.txt', 'utf-8'), ('Davis17_annot1_full_video.txt', 'utf-8'),
              ('Davis17_annot2.txt', 'latin-1'), ('Davis17_annot2_full_video.txt', 'latin-1'))
"""Files of sentences and their encodings: of object j they become the expressions 4j, 4j + 1, 4j + 2, 4j + 3."""
ANNOTATORS = ('annotator 1, first frame', 'annotator 1, full video', 'annotator 2, first frame',
              'annotator 2, full video')
MISSPELLED = {'clasic-car': 'classic-car', 'dog-scale': 'dogs-scale', 'motor-bike': 'motorbike'}
"""Names of sequences in the text files -> their names in DAVIS."""
TASKS = {'unsupervised': 'Annotations_unsupervised', 'semi-supervised': 'Annotations'}
IMAGE_SETS = dict(train='train', valid='val', val='val')


def read_sentences(file: Path, encoding: str) -> dict[str, list[tuple[str, str]]]:
    """(object id, sentence) of every sequence of a text file, in the order of the lines.

    A line is sequence, object id and the quoted sentence; the sentence is everything after the id, joined with single
    blanks, without its first and last character (the quotes). Blanks at the end are of no account.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: a line has fewer parts, or its id is no number.
    """
    if not file.is_file():
        raise FileNotFoundError(f'{file}: text annotations are missing; unpack the archive of the text annotations')
    sentences: dict[str, list[tuple[str, str]]] = {}
    for number, line in enumerate(_lines(file, encoding), 1):
        words = line.split()
        if not words:
            continue
        if len(words) < 3 or not words[1].isdecimal():
            raise ValueError(f'{file}, line {number}: expected sequence, object id and quoted sentence, found {line!r}')
        name = MISSPELLED.get(words[0], words[0])
        sentences.setdefault(name, []).append((words[1], ' '.join(words[2:])[1:-1]))
    return sentences


def _lines(file: Path, encoding: str) -> list[str]:
    try:  # not splitlines: it also splits at characters such as 0x85, which latin-1 text may hold
        return file.read_text(encoding=encoding).split('\n')
    except UnicodeDecodeError as error:
        raise ValueError(f'{file}: expected {encoding} text ({error}); unpack the text annotations again') from error


def list_sequences(davis: Path, split: str) -> list[str]:
    """Names of the sequences of a split, from ``ImageSets/2017``.

    Raises:
        FileNotFoundError: there is no such list.
    """
    file = davis / 'ImageSets' / '2017' / f'{IMAGE_SETS[split]}.txt'
    if not file.is_file():
        raise FileNotFoundError(f'{file}: the list of sequences is missing; unpack DAVIS-2017-Unsupervised-trainval')
    return file.read_text(encoding='utf-8').split()


def convert_annotations(data_root: Path, split: str, *, strict: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """``meta_expressions.json`` and ``meta.json`` of a split of the raw download, as the official converter has them.

    Of each of the four files the sentences of a sequence are sorted by object id as text ("1", "10", "2"); the j-th of
    all four make the expressions 4j .. 4j + 3. An object that a file lacks shifts the others against each other.

    Args:
        data_root: folder with ``DAVIS`` and ``davis_text_annotations``.
        split: ``train`` or ``valid``.
        strict: all four files must name the same objects; False: cut to the shortest, as the official converter does.

    Raises:
        FileNotFoundError: a file or a folder of frames is missing.
        ValueError: the four files differ in the objects of a sequence.
    """
    davis, texts = data_root / 'DAVIS', data_root / 'davis_text_annotations'
    files = [read_sentences(texts / name, encoding) for name, encoding in TEXT_FILES]
    semantics_file = davis / 'davis_semantics.json'
    if not semantics_file.is_file():
        raise FileNotFoundError(f'{semantics_file}: categories are missing; unpack DAVIS-2017-semantics')
    semantics = json.loads(semantics_file.read_text(encoding='utf-8'))
    expressions, meta = {}, {}
    for name in list_sequences(davis, split):
        columns = [sorted(sentences.get(name, ()), key=lambda row: row[0]) for sentences in files]
        objects = [[o for o, _ in column] for column in columns]
        if strict and (not objects[0] or any(o != objects[0] for o in objects)):
            refuse(ValueError(f'{texts}: sequence {name!r} needs sentences about the same objects in all four files, '
                              f'found {dict(zip((n for n, _ in TEXT_FILES), objects, strict=True))}'))
            continue
        frames = davis / 'JPEGImages' / '480p' / name
        if not frames.is_dir():
            refuse(FileNotFoundError(f'{frames}: frames are missing; unpack DAVIS-2017-Unsupervised-trainval'))
            continue
        rows = [row for group in zip(*columns, strict=strict) for row in group]
        expressions[name] = dict(expressions={str(k): dict(exp=text, obj_id=o) for k, (o, text) in enumerate(rows)},
                                 frames=sorted(file.stem for file in frames.glob('*.jpg')))
        meta[name] = dict(objects={o: dict(category=c) for o, c in semantics.get(name, {}).items()})
    return dict(videos=expressions), dict(videos=meta)


def load_sequence(davis: Path, name: str, task: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """A sequence of DAVIS as its toolkit sees it.

    Objects are 1 .. the highest id of the first frame (an object that appears later with a higher id is not among
    them); the value 255 is void.

    Returns:
        frame names, masks (O, T, H, W) bool, void (T, H, W) bool.
    """
    files = sorted((davis / TASKS[task] / '480p' / name).glob('*.png'))
    if not files:
        raise FileNotFoundError(f'{davis / TASKS[task] / "480p" / name}: no annotation; unpack the DAVIS archive')
    index = np.stack([read_index_png(file) for file in files])  # T H W
    void = index == 255
    index[void] = 0
    objects = np.arange(1, int(index[0].max()) + 1)
    return [file.stem for file in files], index[None] == objects[:, None, None, None], void  # O T H W


@DATASETS.register_module()
class RefDAVISDataset(VideoExpressionDataset):
    """Ref-DAVIS17, raw or converted; which one is seen from the folders.

    Rules for what is odd in the files:

    * The four text files give four expressions per object (:func:`convert_annotations`); annotator 2's files are
      latin-1; three sequence names are misspelled there.
    * Object ids are sorted as text, so that 10 and 11 come before 2.
    * Sentences may end in blanks: they stay as they are (:class:`CleanText` cleans them).
    * ``val`` is another name of ``valid``: the converter's folders are called ``valid``, DAVIS's list ``val``.
    * 255 is void in the unsupervised annotations.

    Every entry of ``expressions_info`` has ``annotator`` 0..3, the text file that the sentence is from.

    Args:
        task: ``'unsupervised'`` (the protocol of Ref-DAVIS17) or ``'semi-supervised'``: which annotations; a converted
            set has the unsupervised ones.
        annotator: 0..3 keeps the sentences of one text file; None = all four.
        The others are those of :class:`VideoExpressionDataset`.
    """

    name = 'Ref-DAVIS17'

    def __init__(self, *, data_root: str | Path, split: str = 'valid', pipeline: Sequence[dict | Callable] = (),
                 unit: str | None = None, clip_length: int | None = None, stride: int | None = None,
                 test_mode: bool = False, with_masks: bool | str = 'auto', seed: int = 0, max_retries: int = 100,
                 limit: int | None = None, task: str = 'unsupervised', annotator: int | None = None) -> None:
        if split not in IMAGE_SETS:
            raise ValueError(f'split {split!r}: expected one of {sorted(IMAGE_SETS)}')
        if task not in TASKS:
            raise ValueError(f'task {task!r}: expected one of {sorted(TASKS)}')
        if annotator not in (None, 0, 1, 2, 3):
            raise ValueError(f'annotator {annotator!r}: expected 0..3 ({", ".join(ANNOTATORS)}), or None')
        self.task, self.annotator = task, annotator
        self.raw = not (Path(data_root) / 'meta_expressions').is_dir()
        if not self.raw and task != 'unsupervised':
            raise ValueError(f'{data_root}: a converted Ref-DAVIS17 has the unsupervised annotations only; point '
                             'data_root at the raw download')
        super().__init__(data_root=data_root, split='valid' if split == 'val' else split, pipeline=pipeline, unit=unit,
                         clip_length=clip_length, stride=stride, test_mode=test_mode, with_masks=with_masks, seed=seed,
                         max_retries=max_retries, limit=limit)

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`."""
        if self.raw:
            file = self.data_root / 'davis_text_annotations'
            videos, meta = (content['videos'] for content in convert_annotations(self.data_root, self.split))
        else:
            file = self.data_root / 'meta_expressions' / self.split / 'meta_expressions.json'
            videos, meta = videos_of(file), videos_of(self.data_root / self.split / 'meta.json')
        return [video_record(file, name, self._chosen(entry),
                             {o: row['category'] for o, row in meta.get(name, {}).get('objects', {}).items()})
                for name, entry in videos.items()]

    def _chosen(self, entry: dict) -> dict:
        rows = {k: dict(row, annotator=n % 4) for n, (k, row) in enumerate(entry['expressions'].items())}
        wanted = range(4) if self.annotator is None else [self.annotator]
        return dict(entry, expressions={k: row for k, row in rows.items() if row['annotator'] in wanted})

    def _folder(self, kind: str) -> Path:
        if self.raw:
            return self.data_root / 'DAVIS' / kind / '480p'
        return self.data_root / self.split / ('JPEGImages' if kind == 'JPEGImages' else 'Annotations')

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """JPEG of a frame."""
        return self._folder('JPEGImages') / video_id / f'{frame_id}.jpg'

    def mask_source(self) -> MaskSource | None:
        """Index PNGs, if the folder is there."""
        folder = self._folder(TASKS[self.task])
        return IndexPNG(path=f'{folder}/{{video}}/{{frame}}.png') if folder.is_dir() else None
