"""Speed of reading clips against the plain form: one item for each sentence, every frame and mask by itself.

Both are first held against each other, pixel by pixel, then take turns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from mmlvs.datasets.base import VideoExpressionDataset
from mmlvs.registry import DATASETS
from mmlvs.utils.config_check import accepted_keys
from mmlvs.utils.timing import measure

Item = dict[str, Any]
READ = ('LoadFrames', 'LoadMasks', 'PackClip')


def reading_datasets(settings: Mapping[str, Any], *, unit: str, clip_length: int | None = None
                     ) -> dict[str, VideoExpressionDataset]:
    """The data sets of a config's ``dataset``, reduced to reading: consecutive clips, nothing resized or drawn.

    Args:
        settings: of one data set, or of several in a ``ConcatVideoDataset``.
        unit: ``'video'``: all sentences of a clip in one item; ``'expression'``: one.
        clip_length: frames of a clip; None = as in the settings (images: always one).

    Returns:
        Name -> data set; repeated names get a number.
    """
    found: dict[str, VideoExpressionDataset] = {}
    for part in settings.get('datasets', [settings]):
        kind = DATASETS.get(part['type'])
        known, _ = accepted_keys(kind)
        changed = dict(part, unit=unit, test_mode=True)
        changed.pop('stride', None)
        if clip_length is not None and 'clip_length' in known:
            changed['clip_length'] = clip_length
        window = [dict(type='SampleWindow', num_frames=changed.get('clip_length') or 1)] if kind.key_frame_items else []
        changed['pipeline'] = window + [dict(type=step) for step in READ]
        dataset = DATASETS.build(changed)
        name = f'{dataset.name} {dataset.split}'
        found[name if name not in found else f'{name} ({len(found) + 1})'] = dataset
    return found


def check_equal(item: Item, alone: Sequence[Item], where: str) -> None:
    """An item with all its sentences against one plain item for each.

    Raises:
        ValueError: numbers, frames or masks differ.
    """
    sample = item['data_samples']
    if len(alone) != sample.num_expressions:
        raise ValueError(f'{where}: {sample.num_expressions} sentences, the plain form reads {len(alone)}')
    for n, one in enumerate(alone):
        if not torch.equal(item['inputs']['img'], one['img']):
            raise ValueError(f'{where}: frames differ from the plain form; one of the two is wrong')
        if 'gt_masks' in sample and not torch.equal(sample.target(n), one['masks']):
            raise ValueError(f'{where}, sentence {sample.expression_ids[n]}: masks differ from the plain form; one of '
                             'the two is wrong')


def measure_reading(table: Any, dataset: VideoExpressionDataset, plain: Callable[[int], list[Item]], *, name: str,
                    indices: Sequence[int], repeats: int = 5, warmup: int = 1) -> None:
    """Clips a second, a clip with one sentence counting as one, of both ways to read.

    Args:
        table: receives the rows.
        dataset: of :func:`reading_datasets`.
        plain: index -> plain items of its sentences.
        name: of the rows.
        indices: items of a round.
        repeats, warmup: rounds, and rounds before them that do not count.

    Raises:
        ValueError: what is read differs.
    """
    clips = 0
    for index in indices:
        alone = plain(index)
        check_equal(dataset[index], alone, f'{name}, item {index} ({dataset.video_of(index)})')
        clips += len(alone)
    found = measure({'model': lambda: [dataset[i] for i in indices], 'plain': lambda: [plain(i) for i in indices]},
                    repeats=repeats, warmup=warmup)
    table.timing(f'{name}, plain', found['plain'], amount=clips, unit='clips')
    table.timing(name, found['model'], baseline=found['plain'], against='the plain form', amount=clips, unit='clips',
                 note=f'{clips} clips of {len(indices)} items, pixel-equal')
