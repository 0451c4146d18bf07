"""RefCOCO, RefCOCO+ and RefCOCOg as LAVT (REFER reader) and ReferFormer (COCO-style files) return them.

LAVT: one item per reference with all raw sentences, 20 ids each, mask and image resized with 48 in place of 480.
ReferFormer: the converted files, and one item per sentence without transform and with the validation transform.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.mask_sources import CocoMasks
from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.common import (
    Entry,
    bert_ids,
    distinct,
    find_vocabulary,
    mask_entry,
    read_rgb,
    resize_mask_pillow,
    resized_fields,
)
from mmlvs.datasets.refcoco import (
    convert_references,
    image_and_annotation,
    image_folder,
    read_instances,
    read_references,
    select_references,
)
from mmlvs.datasets.transforms.boxes import box_area

UNC_SPLITS = ('train', 'val', 'testA', 'testB')
DIVISIONS = {('refcoco', 'unc'): (*UNC_SPLITS, 'test'), ('refcoco', 'google'): ('train', 'val', 'test'),
             ('refcoco+', 'unc'): UNC_SPLITS, ('refcocog', 'umd'): ('train', 'val', 'test'),
             ('refcocog', 'google'): ('train', 'val', 'test')}
CONVERTED = {('refcoco', 'unc'): UNC_SPLITS, ('refcoco+', 'unc'): UNC_SPLITS,
             ('refcocog', 'umd'): ('train', 'val', 'test')}
NAMES = dict(refer_data=list(DIVISIONS), **{subset: [key for key in DIVISIONS if key[0] == subset]
                                            for subset in ('refcoco', 'refcoco+', 'refcocog')},
             **{'_'.join(key): [key] for key in DIVISIONS})
LAVT_SIDE, LAVT_TOKENS = (48, 48), 20


def _wanted(split: str | None, splits: Sequence[str]) -> list[str]:
    return list(splits) if split is None else [split]


def lavt(data_root: Path, divisions: Sequence[tuple[str, str]], *, split: str | None = None,
         num_frames: int | None = None, limit: int | None = None) -> dict[str, Any]:
    """LAVT's evaluation items of every division whose pickle is there."""
    sets = {}
    for subset, by in divisions:
        file = Path(data_root) / subset / f'refs({by}).p'
        if not file.is_file() and len(divisions) > 1:
            continue
        references, instances = read_references(file), read_instances(file.with_name('instances.json'))
        for name in _wanted(split, DIVISIONS[subset, by]):
            chosen = select_references(references, name)
            sets[f'{subset}/{by}/{name}'] = dict(
                len=len(chosen), ref_ids=[r['ref_id'] for r in chosen],
                items=[_lavt_item(Path(data_root), r, instances) for r in chosen[:limit]])
    return {'class': 'LAVT REFER + ReferDataset', 'max_tokens': LAVT_TOKENS, 'sets': sets}


def _lavt_item(data_root: Path, reference: dict, instances: dict) -> Entry:
    image, annotation = image_and_annotation(reference, instances)
    count = _masks(image, annotation, 'count')
    target = (count == 1).astype(np.uint8)
    raw = [sentence['raw'] for sentence in reference['sentences']]
    frame = read_rgb(image_folder(data_root) / image['file_name'])
    small = resize_mask_pillow(target, LAVT_SIDE)
    item = dict(ref_id=reference['ref_id'], image_file=image['file_name'], raw_sentences=raw,
                image_shape=[3, *frame.shape[:2]], getMask_values=distinct(count), getMask_area=float(count.sum()),
                getMask_nonzero=int((count > 0).sum()), target=mask_entry(target, values=False),
                resized48_target=mask_entry(small, values=False), resized48_image_shape=[3, *LAVT_SIDE],
                ids_shape=[1, LAVT_TOKENS, len(raw)])
    vocabulary = find_vocabulary(data_root)
    ids = [bert_ids(text, LAVT_TOKENS, vocabulary) for text in raw]
    return item | dict(input_ids=[row for row, _ in ids], attention_mask_sum=[length for _, length in ids])


def _masks(image: dict, annotation: dict, overlap: str) -> np.ndarray:
    source = CocoMasks(annotations={'0': annotation}, sizes={'0': (image['height'], image['width'])},
                       source=image['file_name'], overlap=overlap, drop_crowd=False)
    return source.read('', '', 0, ['0']).objects[0]


def referformer(data_root: Path, divisions: Sequence[tuple[str, str]], *, split: str | None = None,
                num_frames: int | None = None, limit: int | None = None) -> dict[str, Any]:
    """ReferFormer's converted files and, of ``train`` and ``val`` (or ``split``), the items of its class."""
    converted, sets = {}, {}
    for subset, by in divisions:
        if (subset, by) not in CONVERTED:
            continue
        for name in _wanted(split, CONVERTED[subset, by]):
            content = _converted(Path(data_root) / subset, subset, by, name)
            if content is None and len(divisions) > 1:
                continue
            if content is None:
                raise FileNotFoundError(f'{data_root}: neither {subset}/refs({by}).p nor '
                                        f'{subset}/instances_{subset}_{name}.json is there')
            bare = [{k: v for k, v in row.items() if k != 'segmentation'} for row in content['annotations']]
            converted[f'instances_{subset}_{name}.json'] = dict(images=content['images'], annotations=bare)
            if split is not None or name in ('train', 'val'):
                by_image = {row['image_id']: row for row in content['annotations']}
                items = [_referformer_item(Path(data_root), image, by_image[image['id']])
                         for image in content['images'][:limit]]
                sets[f'{subset}/{name}'] = dict(len=len(content['images']), items=items)
    return {'class': 'ReferFormer ModulatedDetection (datasets/refexp.py) on the converted COCO json',
            'converted': converted, 'sets': sets}


def _converted(folder: Path, subset: str, by: str, split: str) -> dict | None:
    file = folder / f'refs({by}).p'
    if file.is_file():
        instances = read_instances(folder / 'instances.json')
        return convert_references(select_references(read_references(file), split), instances, subset)
    file = folder / f'instances_{subset}_{split}.json'
    return json.loads(file.read_text(encoding='utf-8')) if file.is_file() else None


def _referformer_item(data_root: Path, image: dict, annotation: dict) -> Entry:
    item = dict(caption=image['caption'], frames_idx=None, image_id=[image['id']], dataset_name=image['dataset_name'],
                original_id=image['original_id'])
    frame = read_rgb(image_folder(data_root) / image['file_name'])
    size = frame.shape[:2]
    source = CocoMasks(annotations={'0': annotation}, sizes={'0': size}, source=image['file_name'])
    found = source.read('', '', 0, ['0'])
    if annotation.get('iscrowd') or not box_area(found.boxes).all():
        return item | dict(resampled=True)
    entry = resized_fields(found.objects, found.boxes, 1, shape_name='image_shape')
    return item | dict(valid=[1], boxes=found.boxes.tolist(), masks=[mask_entry(found.objects[0])],
                       orig_size=list(size), labels=[annotation['category_id']],
                       area=[float(np.float32(annotation['area']))], image_shape=[1, 3, *size], val_transform=entry)


def _register(name: str, divisions: Sequence[tuple[str, str]]) -> None:
    for reader, function in (('lavt_ris', lavt), ('referformer', referformer)):
        register_view(name, reader)(
            lambda data_root, *, split=None, num_frames=None, limit=None, function=function:
            function(data_root, divisions, split=split, num_frames=num_frames, limit=limit))


for _name, _divisions in NAMES.items():
    _register(_name, _divisions)
