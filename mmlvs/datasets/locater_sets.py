"""A2D-S and A2D-S+ (NORM, MUL, SPAT, TEMP) and JHMDB in the format of Locater."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.datasets.base import Expression, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.mask_sources import MaskSource, TensorMasks
from mmlvs.datasets.problems import refuse
from mmlvs.registry import DATASETS

SUBSETS = ('NORM', 'MUL', 'SPAT', 'TEMP', 'JHMDB')
"""NORM = the test set of A2D-Sentences; MUL, SPAT, TEMP = A2D-S+ (similar objects, places, times); JHMDB."""
EXPRESSION_FIXES = {
    'the peson in red is standing': 'the person in red is standing',
    'rd black formula car riding on the right side of the track':
        'red black formula car riding on the right side of the track',
    'white standing near the building': 'person standing near the building',
    'red black is riding on the left': 'red black car is riding on the left',
    'solder in camouflage uniforms crawling ': 'soldier in camouflage uniforms crawling',
    'white in shirt is walking in the airport terminal': 'person in shirt is walking in the airport terminal',
    'the left with yellow t shirt on the left running': 'the left man with yellow t shirt on the left running',
    'black is climbing the stairs': 'man is climbing the stairs',
    'white black is walking on the beach': 'white black dog is walking on the beach',
    'on in blue running on the left': 'man in blue running on the left',
    'a blue bar is sitting on the floor in the middle': 'a blue ball is sitting on the floor in the middle',
    'solder crawling on the ground': 'soldier crawling on the ground',
    'white brown is eating  the corn': 'white brown dog is eating the corn',
    'white in white tracksuit is running during competition': 'man in white tracksuit is running during competition',
    'white licking her claws on the left': 'white cat licking her claws on the left',
}
"""Sentences with slips that Locater replaces, as a whole, after lower-casing (two keys have odd blanks)."""


def fix_expression(text: str) -> str:
    """Lower case, and the correction of :data:`EXPRESSION_FIXES`."""
    return EXPRESSION_FIXES.get(text.lower(), text.lower())


def global_frame_numbers(num_frames: int, count: int, *, clamp: bool = True) -> list[int]:
    """Numbers (from 1) of the ``count`` frames that stand for a whole video of ``num_frames``.

    The middle of each of ``count`` equal stretches: (1 + step) // 2 + i step, step = num_frames // count. A video
    shorter than ``count`` has step 0 and asks for frame 0, which does not exist; ``clamp`` takes step 1 and stays in
    the video.
    """
    step = num_frames // count
    if step == 0 and clamp:
        return [min(1 + i, num_frames) for i in range(count)]
    return [(1 + step) // 2 + i * step for i in range(count)]


def subset_paths(data_root: Path, subset: str) -> dict[str, Path]:
    """``folder``, ``images``, ``masks``, ``counts`` and ``expressions`` of a subset under the root.

    Names as the code has them and as its README has them are accepted: ``A2D_SUBSET/NORM`` or ``A2D_NORM``,
    ``vid_frame_dict.pth`` or ``vid_frames_dict.pth``, NUL for MUL; the root may be ``datasets``, its parent, or the
    folder that holds the subset.

    Raises:
        FileNotFoundError: a file or folder is missing.
    """
    names = ('MUL', 'NUL') if subset == 'MUL' else (subset,)
    if subset == 'JHMDB':
        options = [('JHMDB', 'JHMDB')]
    else:
        options = [(f'{top}{form.format(n)}', f'A2D_{n}') for n in names for top in ('A2D_SUBSET/', '')
                   for form in ('{}', 'A2D_{}')]
    roots = (data_root, data_root / 'datasets')
    folder = next((root / place for root in roots for place, _ in options if (root / place).is_dir()), None)
    if folder is None:
        raise FileNotFoundError(f'{data_root}: no folder of {subset}, expected one of {[p for p, _ in options]}')
    stems = list(dict.fromkeys(stem for _, stem in options))
    images = ('images',) if subset == 'JHMDB' else ('allPngs320H', 'images')
    wanted = dict(images=images, masks=('mask', 'masks'), counts=('vid_frame_dict.pth', 'vid_frames_dict.pth'),
                  expressions=[f'{stem}_test_expressions.json' for stem in stems])
    found = dict(folder=folder)
    for what, choices in wanted.items():
        place = next((folder / name for name in choices if (folder / name).exists()), None)
        if place is None:
            raise FileNotFoundError(f'{folder}: expected {what} as one of {list(choices)}')
        found[what] = place
    return found


def read_frame_counts(file: Path) -> dict[str, int]:
    """Frames per video of a frame dictionary; categories of JHMDB become part of the key, "category/video".

    Raises:
        ValueError: the file holds something else than (dicts of) numbers.
    """
    import torch
    try:
        content = torch.load(file, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged or refused file
        raise ValueError(f'{file}: is no plain dictionary of frame numbers ({error})') from error
    counts = {}
    for key, value in content.items():
        entries = {f'{key}/{k}': v for k, v in value.items()} if isinstance(value, Mapping) else {key: value}
        counts.update({name: int(number) for name, number in entries.items()})
    return counts


@DATASETS.register_module()
class LocaterDataset(VideoExpressionDataset):
    """One sentence per (video, object), all frames in order, scored in the frames with a label; evaluation only.

    Rules for what is odd in the files:

    * Frames and labels are made unique and sorted; labels repeat in the files.
    * A label that is none of the listed frames is left aside: it is never scored.
    * A frame without a label has no mask and is no key frame, although it passes through the network. A mask file of a
      frame that is no label is left aside; a label without a mask file is an error.
    * The number of frames of a video comes from the frame dictionary, which may differ from the listed frames; the
      global frames (``global_frame_paths``) follow it, and stay in the video if it is shorter than their number.
    * JHMDB's keys are "category/video"; the "/" is "_" in mask names.
    * ``correct_text``: the 15 known slips in sentences are corrected, and sentences are lower-cased.
    * Spellings of folders and files differ between code and README: :func:`subset_paths`.
    * ``.pth`` files are read as plain tensors and dictionaries; code in them is not run.

    Args:
        subset: one of :data:`SUBSETS`.
        num_global: number of global frames.
        correct_text: see above.
        unit: only ``'expression'``: objects of a video are labelled in different frames.
        The others are those of :class:`VideoExpressionDataset`; there is one split, ``test``.
    """

    name = 'A2D-S+'

    def __init__(self, *, data_root: str | Path, subset: str = 'NORM', split: str = 'test', num_global: int = 3,
                 correct_text: bool = True, pipeline: Sequence[dict | Callable] = (), unit: str = 'expression',
                 clip_length: int | None = None, test_mode: bool = True, with_masks: bool | str = 'auto',
                 seed: int = 0, limit: int | None = None) -> None:
        if subset not in SUBSETS:
            raise ValueError(f'subset {subset!r}: expected one of {SUBSETS}')
        if split != 'test' or not test_mode:
            raise ValueError(f'split {split!r}, test_mode {test_mode}: only the test annotations were published')
        if unit != 'expression':
            raise ValueError(f"unit {unit!r}: expected 'expression'; objects of a video are labelled in other frames")
        if num_global < 1:
            raise ValueError(f'num_global {num_global}: expected at least 1')
        self.subset, self.num_global, self.correct_text = subset, num_global, correct_text
        self.name = f'Locater {subset}'
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, unit=unit, clip_length=clip_length,
                         test_mode=test_mode, with_masks=with_masks, seed=seed, limit=limit)

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`; ``frame_counts`` are those of the frame dictionary."""
        self.paths = subset_paths(self.data_root, self.subset)
        file = self.paths['expressions']
        try:
            content = json.loads(file.read_text(encoding='utf-8'))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f'{file}: is no valid JSON ({error}); fetch it again') from error
        self.frame_counts = read_frame_counts(self.paths['counts'])
        self._labels: dict[tuple[str, str], frozenset[str]] = {}
        records = []
        for video, entry in content.items():
            if video not in self.frame_counts:
                refuse(ValueError(f'{self.paths["counts"]}: has no frame number of {video!r}, named in {file.name}'))
                continue
            frames = tuple(sorted(set(entry['frames'])))
            position = {frame: n for n, frame in enumerate(frames)}
            expressions = []
            for object_id, row in entry['expressions'].items():
                labels = sorted(set(row['labels']))
                self._labels[video, object_id] = frozenset(labels)
                text = fix_expression(row['exp']) if self.correct_text else row['exp']
                expressions.append(Expression(object_id, text, (object_id,), (), dict(exp=row['exp'], labels=labels),
                                              tuple(position[label] for label in labels if label in position)))
            records.append(VideoRecord(video, frames, tuple(expressions)))
        return records

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """The PNG of a frame."""
        return self.paths['images'] / video_id / f'{frame_id}.png'

    def mask_source(self) -> MaskSource:
        """Tensors of the labelled frames."""
        return TensorMasks(path=f'{self.paths["masks"]}/{{video}}_{{object}}_{{frame}}.pth', labels=self._labels)

    def global_frames(self, video_id: str) -> list[str]:
        """Names of the frames that stand for the whole video."""
        return [f'{n:05d}' for n in global_frame_numbers(self.frame_counts[video_id], self.num_global)]

    def results_of(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        """See the base; adds ``global_frame_paths`` in a video's first clip, an empty list in later ones."""
        results = super().results_of(index, rng)
        names = self.global_frames(results['video_id']) if results['clip']['is_first'] else []
        results['global_frame_paths'] = [str(self.frame_path(results['video_id'], name)) for name in names]
        return results
