"""RefCOCO, RefCOCO+ and RefCOCOg: the REFER pickles with COCO instances, and the COCO-style form of ReferFormer."""

import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmlvs.datasets.base import Expression, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.mask_sources import CocoMasks, MaskSource
from mmlvs.datasets.problems import accept_each, refuse
from mmlvs.registry import DATASETS

SPLIT_BY = {'refcoco': ('unc', 'google'), 'refcoco+': ('unc',), 'refcocog': ('umd', 'google')}
"""Who divided the references of a set, the customary division first."""
IMAGE_FOLDERS = ('images/mscoco/images/train2014', 'images/train2014', 'train2014', 'coco/train2014', '../train2014')


class PlainUnpickler(pickle.Unpickler):
    """Reads pickles of numbers, strings, lists, tuples and dicts, and refuses every other type: no code can run."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse.

        Raises:
            ValueError: always.
        """
        raise ValueError(f'holds an object of type {module}.{name}; expected numbers, strings, lists and dicts only')


def read_references(file: Path) -> list[dict]:
    """The references of a ``refs(<split by>).p``, written by Python 2: its byte strings are read as latin-1.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is damaged, or holds other types than a list of plain dicts.
    """
    if not file.is_file():
        raise FileNotFoundError(f'{file}: references are missing; unpack the REFER download, or check data_root')
    try:
        with file.open('rb') as stream:
            references = PlainUnpickler(stream, encoding='latin1').load()
    except (pickle.UnpicklingError, ValueError, EOFError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f'{file}: no readable references ({error}); fetch it again') from error
    keys = {'ref_id', 'ann_id', 'image_id', 'split', 'sentences'}
    if not isinstance(references, list) or any(not isinstance(r, dict) or not keys <= set(r) for r in references):
        raise ValueError(f'{file}: expected a list of references with {sorted(keys)}')
    return references


def select_references(references: Sequence[dict], split: str) -> list[dict]:
    """The references of a split, in file order.

    ``testA`` to ``testC``: the last letter occurs in the reference's ``split``; ``test``: any split that contains
    "test"; others must be equal.
    """
    if split in ('testA', 'testB', 'testC'):
        return [r for r in references if split[-1] in r['split']]
    if split == 'test':
        return [r for r in references if 'test' in r['split']]
    return [r for r in references if r['split'] == split]


def read_instances(file: Path) -> dict[str, Any]:
    """A COCO file: ``images`` and ``annotations`` become dicts by id, ``names`` the categories; the rest stays.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: it is no JSON, or lacks images or annotations.
    """
    if not file.is_file():
        raise FileNotFoundError(f'{file}: COCO annotations are missing; unpack the download, or check data_root')
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
        tables = {key: {row['id']: row for row in content[key]} for key in ('images', 'annotations')}
        return {**content, **tables, 'names': {row['id']: row['name'] for row in content.get('categories', ())}}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f'{file}: no COCO annotations ({type(error).__name__}: {error}); fetch it again') from error


def convert_references(references: Sequence[dict], instances: dict[str, Any], dataset_name: str) -> dict[str, Any]:
    """References and instances in the COCO-style form of ReferFormer: one image and one annotation per sentence.

    Both get the running number 1, 2, ... as id; the sentence (``sent``) is the ``caption`` of the image.

    Raises:
        ValueError: a reference names an image or annotation that the instances lack.
    """
    images, annotations = [], []
    for reference in references:
        image, annotation = image_and_annotation(reference, instances)
        for sentence in reference['sentences']:
            number = len(images) + 1
            images.append(dict(file_name=image['file_name'], height=image['height'], width=image['width'],
                               original_id=reference['image_id'], id=number, caption=sentence['sent'],
                               dataset_name=dataset_name))
            annotations.append(dict(segmentation=annotation['segmentation'], bbox=annotation['bbox'],
                                    area=annotation['area'], iscrowd=annotation['iscrowd'], image_id=number,
                                    category_id=annotation['category_id'], id=number,
                                    original_id=reference['ann_id']))
    copied = {key: instances[key] for key in ('info', 'licenses', 'categories') if key in instances}
    return dict(copied, images=images, annotations=annotations)


def image_and_annotation(reference: dict, instances: dict[str, Any]) -> tuple[dict, dict]:
    """Image and annotation of a reference; its own ``file_name`` is not that of an image and is left aside.

    Raises:
        ValueError: the instances lack one of them.
    """
    for key, table in (('image_id', 'images'), ('ann_id', 'annotations')):
        if reference[key] not in instances[table]:
            raise ValueError(f'reference {reference["ref_id"]}: instances.json has no {table[:-1]} {reference[key]}; '
                             'pickle and instances.json must come from the same download')
    return instances['images'][reference['image_id']], instances['annotations'][reference['ann_id']]


def image_folder(data_root: Path, given: str | None = None) -> Path:
    """Folder of COCO's train2014 under a root.

    Raises:
        FileNotFoundError: none of the usual places exists.
    """
    places = [given] if given else list(IMAGE_FOLDERS)
    found = next((data_root / place for place in places if (data_root / place).is_dir()), None)
    if found is None:
        raise FileNotFoundError(f'{data_root}: no folder of COCO images, expected one of {places}; set image_dir')
    return found


@DATASETS.register_module()
class RefCOCODataset(VideoExpressionDataset):
    """Sentences about objects of single images, as videos of one frame.

    Rules for what is odd in the files:

    * ``file_name`` of a reference is no image file (it carries a further number); the image comes from
      ``instances.json`` through ``image_id``.
    * Pickles were written by Python 2 (latin-1), and are read without running code: plain types only.
    * ``raw`` keeps capitals, punctuation and odd blanks, ``sent`` is lower-case words. A sentence without any word in
      the chosen form is left out.
    * Objects may consist of several polygons; see ``overlap``. Crowd annotations have an empty mask: training draws
      another item.
    * Images may be grey: they are read as RGB.
    * Sets share images and numbers: the name of the set is part of the "video" id (``refcoco_581857_0``: set, image,
      reference), so that results of several sets do not clash.
    * Splits divided by "google" divide objects: one image may be in train and in val.

    Args:
        data_root: ``<root>/<subset>/refs(<split_by>).p`` and ``instances.json``, or
            ``<root>/<subset>/instances_<subset>_<split>.json``.
        subset: ``'refcoco'``, ``'refcoco+'`` or ``'refcocog'``.
        split: ``train``, ``val``, ``test``, ``testA``, ``testB``.
        split_by: ``'unc'``, ``'umd'`` or ``'google'``; None = the customary one.
        form: ``'refer'`` (pickle) or ``'coco'`` (COCO-style file); None = pickle if there is one.
        text: ``'raw'`` (LAVT) or ``'sent'`` (ReferFormer); the COCO-style form has ``sent`` only.
        group: what makes a "video": ``'reference'`` keeps the order of the official readers, ``'image'`` puts all
            sentences about an image together, so that it is encoded once.
        overlap: pixels of several parts of an object: see :class:`CocoMasks`.
        image_dir: folder of the images under the root, if it is none of the usual ones.
        The others are those of :class:`VideoExpressionDataset`.
    """

    name = 'RefCOCO'
    key_frame_items = True

    def __init__(self, *, data_root: str | Path, subset: str = 'refcoco', split: str = 'train',
                 split_by: str | None = None, form: str | None = None, text: str = 'sent', group: str = 'reference',
                 overlap: str = 'any', image_dir: str | None = None, pipeline: Sequence[dict | Callable] = (),
                 unit: str | None = None, test_mode: bool = False, with_masks: bool | str = 'auto', seed: int = 0,
                 max_retries: int = 100, limit: int | None = None) -> None:
        if subset not in SPLIT_BY:
            raise ValueError(f'subset {subset!r}: expected one of {sorted(SPLIT_BY)}')
        for key, value, choices in (('split_by', split_by or SPLIT_BY[subset][0], SPLIT_BY[subset]),
                                    ('form', form or 'refer', ('refer', 'coco')), ('text', text, ('raw', 'sent')),
                                    ('group', group, ('reference', 'image'))):
            if value not in choices:
                raise ValueError(f'{key} {value!r}: expected one of {choices} for {subset}')
        self.subset, self.split_by = subset, split_by or SPLIT_BY[subset][0]
        self.form, self.text, self.group, self.overlap, self.image_dir = form, text, group, overlap, image_dir
        self.name = subset
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, unit=unit, test_mode=test_mode,
                         with_masks=with_masks, seed=seed, max_retries=max_retries, limit=limit)

    @property
    def pickle_file(self) -> Path:
        """File of the references."""
        return self.data_root / self.subset / f'refs({self.split_by}).p'

    @property
    def coco_file(self) -> Path:
        """File of the split in the COCO-style form."""
        return self.data_root / self.subset / f'instances_{self.subset}_{self.split}.json'

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`; also fills the tables of images, annotations and sizes."""
        form = self.form or ('refer' if self.pickle_file.is_file() or not self.coco_file.is_file() else 'coco')
        if form == 'coco' and self.text == 'raw':
            raise ValueError(f"{self.coco_file}: the COCO-style form has no raw sentences; set text='sent'")
        rows = self._refer_rows() if form == 'refer' else self._coco_rows()
        self._images = image_folder(self.data_root, self.image_dir)
        groups: dict[str, list[dict]] = {}
        for row in rows:
            group = row['reference'] if self.group == 'reference' else row['image']
            groups.setdefault(f'{self.subset}_{group}', []).append(row)
        self._files = {video_id: members[0]['file'] for video_id, members in groups.items()}
        self._annotations = {row['object']: row['annotation'] for row in rows}
        self._sizes = {row['object']: row['size'] for row in rows}
        return [VideoRecord(video_id, (Path(members[0]['file']).stem,),
                            tuple(Expression(r['sentence'], r['text'], (r['object'],), (), r['info'], (0,))
                                  for r in members), {r['object']: r['category'] for r in members})
                for video_id, members in groups.items()]

    def _refer_rows(self) -> list[dict]:
        instances = read_instances(self.data_root / self.subset / 'instances.json')

        def rows_of(reference: dict) -> list[dict]:
            image, annotation = image_and_annotation(reference, instances)
            return [self._row(image, annotation, instances, sentence[self.text], str(annotation['id']),
                              f'{image["id"]}_{reference["ref_id"]}', str(sentence['sent_id']),
                              dict(ref_id=reference['ref_id'], raw=sentence['raw'], sent=sentence['sent']))
                    for sentence in reference['sentences']]

        chosen = select_references(read_references(self.pickle_file), self.split)
        return [row for rows in accept_each(rows_of, ((r,) for r in chosen)) for row in rows if row['text'].strip()]

    def _coco_rows(self) -> list[dict]:
        instances = read_instances(self.coco_file)
        by_image: dict[Any, dict] = {}
        for annotation in instances['annotations'].values():
            by_image.setdefault(annotation['image_id'], annotation)
        rows, last, times = [], None, {}
        for number, image in instances['images'].items():
            if number not in by_image:
                refuse(ValueError(f'{self.coco_file}: image entry {number} has no annotation; convert it again'))
                continue
            annotation, image_id = by_image[number], image.get('original_id', number)
            object_id = str(annotation.get('original_id', annotation['id']))
            if (image_id, object_id) != last:  # another reference: an object may have several
                last = image_id, object_id
                times[last] = times.get(last, 0) + 1
            reference = f'{image_id}_{object_id}' + (f'_{times[last]}' if times[last] > 1 else '')
            rows.append(self._row(dict(image, id=image_id), annotation, instances, image['caption'], object_id,
                                  reference, str(number), dict(sent=image['caption'])))
        return [row for row in rows if row['text'].strip()]

    @staticmethod
    def _row(image: dict, annotation: dict, instances: dict, text: str, object_id: str, reference: str, sentence: str,
             info: dict) -> dict:
        names = instances['names']
        return dict(image=str(image['id']), file=image['file_name'], size=(image['height'], image['width']), text=text,
                    annotation=annotation, object=object_id, reference=reference, sentence=sentence, info=info,
                    category=names.get(annotation['category_id'], str(annotation['category_id'])))

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """The image."""
        return self._images / self._files[video_id]

    def mask_source(self) -> MaskSource:
        """Polygons or run-length codes of the annotations."""
        return CocoMasks(annotations=self._annotations, sizes=self._sizes, overlap=self.overlap,
                         source=str(self.data_root / self.subset))
