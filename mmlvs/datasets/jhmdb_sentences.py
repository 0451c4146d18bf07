"""JHMDB-Sentences: PNG folders, one person per video with puppet masks, three frames per video evaluated."""

import csv
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mmlvs.datasets.a2d_sentences import key_frame_records
from mmlvs.datasets.base import VideoExpressionDataset, VideoRecord
from mmlvs.datasets.mask_sources import MaskSource, PuppetMasks, jhmdb_frame_mask, read_part_mask
from mmlvs.datasets.problems import refuse
from mmlvs.registry import DATASETS

METADATA = 'jhmdb_sentences_samples_metadata.json'
PERSON = '1'


def read_metadata(data_root: Path) -> list[tuple[str, str, str, int, str]]:
    """Rows (video, frame path, mask path, usable frames, query) of the metadata file, which defines the benchmark.

    Raises:
        FileNotFoundError: there is no such file. The frames were drawn once: drawing others makes another benchmark.
        ValueError: the file is no such list.
    """
    file = data_root / METADATA
    if not file.is_file():
        raise FileNotFoundError(f'{file}: the list of evaluated frames is missing; take the one that MTTR distributes '
                                '(tools/dataset_converters/jhmdb_sentences.py draws one for own experiments only)')
    try:
        return [(str(v), str(f), str(m), int(n), str(q)) for v, f, m, n, q in json.loads(file.read_text('utf-8'))]
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise ValueError(f'{file}: expected a list of [video, frame, mask, number of frames, query] ({error})') \
            from error


def resolve(data_root: Path, path: str) -> Path:
    """A path of the metadata, which is relative to the parent of the data set's folder whatever that is called now."""
    parts = [part for part in PurePosixPath(path).parts if part != '.']
    inside = next((n for n, part in enumerate(parts) if part in ('Rename_Images', 'puppet_mask')), 1)
    return data_root.joinpath(*parts[inside:])


@DATASETS.register_module()
class JHMDBSentencesDataset(VideoExpressionDataset):
    """Sentences about the person of a video, in three frames of it; key-frame items, evaluation only.

    Rules for what is odd in the files:

    * Frame names count from 1. A mask file may cover fewer frames than there are images: the number of usable frames
      in the metadata bounds the windows, images beyond it are never read.
    * Paths in the metadata are relative to the parent of the data set's folder; the folder may have any name.
    * Which frames are evaluated was drawn once; the metadata file is required and never drawn again.
    * Sentences keep their white space and capitals (:class:`CleanText` cleans them). Video names contain parentheses
      and dashes.

    Every entry of ``expressions_info`` has the sample's ``image_id`` in the COCO ground truth.

    Args:
        clip_length: frames of a clip, for a sampling transform that names none.
        The others are those of :class:`VideoExpressionDataset`; there is one split, ``test``.
    """

    name = 'JHMDB-Sentences'
    key_frame_items = True

    def __init__(self, *, data_root: str | Path, split: str = 'test', pipeline: Sequence[dict | Callable] = (),
                 unit: str | None = None, clip_length: int | None = None, test_mode: bool = True,
                 with_masks: bool | str = 'auto', seed: int = 0, max_retries: int = 100,
                 limit: int | None = None) -> None:
        if split not in ('test', 'val', 'valid'):
            raise ValueError(f"split {split!r}: JHMDB-Sentences has 'test' only, it is for evaluation")
        super().__init__(data_root=data_root, split=split, pipeline=pipeline, unit=unit, clip_length=clip_length,
                         test_mode=test_mode, with_masks=with_masks, seed=seed, max_retries=max_retries, limit=limit)

    def load_videos(self) -> list[VideoRecord]:
        """See :class:`VideoExpressionDataset`; ``rows`` keeps the official list in its order."""
        self.rows = read_metadata(self.data_root)
        self._folders, self._masks, frames = {}, {}, {}
        for video, frame, mask, usable, _ in self.rows:
            self._folders[video] = resolve(self.data_root, frame).parent
            self._masks[video] = resolve(self.data_root, mask)
            frames[video] = tuple(f'{number:05d}' for number in range(1, usable + 1))
            if not 1 <= int(PurePosixPath(frame).stem) <= usable:
                refuse(ValueError(f'{self.data_root / METADATA}: frame {frame} lies outside the {usable} usable '
                                  'frames; take the distributed file'))
        return key_frame_records([(video, query, int(PurePosixPath(frame).stem) - 1, PERSON)
                                  for video, frame, _, usable, query in self.rows
                                  if 1 <= int(PurePosixPath(frame).stem) <= usable], frames=frames)

    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """The PNG of a frame."""
        return self._folders[video_id] / f'{frame_id}.png'

    def mask_source(self) -> MaskSource:
        """Puppet masks."""
        return PuppetMasks(files=self._masks)

    def results_of(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        """See the base; adds the ``image_id`` of every sample."""
        results = super().results_of(index, rng)
        for info in results['expressions_info']:
            info['image_id'] = f'v_{results["video_id"]}_f_{results["key_frame"] + 1}'
        return results


def draw_metadata(data_root: Path, seed: int = 42, frames_per_video: int = 3) -> list[list]:
    """Metadata as MTTR drew it once: three usable frames of every video, sorted; ``seed`` of Python's ``random``.

    Videos come in the order of their names. The usable frames of a video are those with an image and a mask.

    Raises:
        FileNotFoundError: the text file, or the frames or masks of a video are missing.
    """
    file = data_root / 'jhmdb_annotation.txt'
    if not file.is_file():
        raise FileNotFoundError(f'{file}: text annotations are missing; check data_root')
    with file.open(newline='', encoding='utf-8-sig') as stream:
        queries = sorted((row['video_id'], row['query']) for row in csv.DictReader(stream))
    masks = {path.parent.name: path for path in (data_root / 'puppet_mask').glob('*/*/puppet_mask.mat')}
    generator, rows = random.Random(seed), []
    for video, query in queries:
        if video not in masks:
            raise FileNotFoundError(f'{data_root / "puppet_mask"}: no mask file of video {video!r}; unpack puppet_mask')
        action, name = masks[video].parent.parent.name, data_root.resolve().name
        images = data_root / 'Rename_Images' / action / video
        usable = min(read_part_mask(str(masks[video])).shape[2], sum(1 for _ in images.glob('*.png')))
        if usable < frames_per_video:
            raise FileNotFoundError(f'{images}: {usable} frames with image and mask, expected at least '
                                    f'{frames_per_video}; unpack Rename_Images and puppet_mask')
        for frame in sorted(generator.sample(range(1, usable + 1), frames_per_video)):
            rows.append([video, f'./{name}/Rename_Images/{action}/{video}/{frame:05d}.png',
                         f'./{name}/puppet_mask/{action}/{video}/puppet_mask.mat', usable, query])
    return rows


def truth_samples(data_root: Path, rows: Sequence[Sequence]) -> list[tuple[str, np.ndarray, None]]:
    """Image id and mask (H, W) of the rows of the metadata, for the COCO ground truth, which has no boxes."""
    samples = []
    for video, frame, mask, *_ in rows:
        number = int(PurePosixPath(frame).stem)
        part_mask = read_part_mask(str(resolve(data_root, mask)))
        samples.append((f'v_{video}_f_{number}', jhmdb_frame_mask(part_mask, number), None))
    return samples
