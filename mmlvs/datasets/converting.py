"""What converters of data sets share: files that are placed or written once, whole, and not again by a second run."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmlvs.io import encode_rle, write_json

MODES = ('hardlink', 'symlink', 'copy')


@dataclass
class Conversion:
    """What a run of a converter did: files written, files found as they should be, remarks.

    Args:
        mode: how files of the source get into place: ``'hardlink'`` (no space; copies across file systems),
            ``'symlink'``, ``'copy'``.
    """

    mode: str = 'hardlink'
    written: int = 0
    kept: int = 0
    remarks: list[str] = field(default_factory=list)

    def place(self, source: Path, target: Path) -> None:
        """Put a file of the source at ``target``, unless a file of its size is there.

        Raises:
            FileNotFoundError: the source has no such file.
        """
        if target.is_file() and target.stat().st_size == source.stat().st_size:
            self.kept += 1
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f'.{target.name}.part')
        part.unlink(missing_ok=True)
        if self.mode == 'symlink':
            part.symlink_to(source.resolve())
        elif self.mode == 'copy' or not _linked(source, part):
            shutil.copyfile(source, part)
        os.replace(part, target)
        part.unlink(missing_ok=True)  # still there if both names were links to one file already
        self.written += 1

    def write_json(self, file: Path, value: Any, *, indent: int | None = None, replace: bool = True) -> None:
        """Write a JSON file, unless it says the same already.

        Raises:
            FileExistsError: it says something else, and ``replace`` is off.
        """
        if file.is_file():
            try:
                same = json.loads(file.read_text(encoding='utf-8')) == json.loads(json.dumps(value))
            except (json.JSONDecodeError, UnicodeDecodeError):
                same = False
            if same:
                self.kept += 1
                return
            if not replace:
                raise FileExistsError(f'{file}: exists and differs from what the annotations give; it stays as it is. '
                                      'Remove it, or choose another --out')
        write_json(file, value, indent=indent)
        self.written += 1

    def summary(self) -> str:
        """One line, and one for each remark."""
        done = f'{self.written} files written, {self.kept} already there' if self.written else \
            f'nothing to do: {self.kept} files are there'
        return '\n'.join([done, *self.remarks])


def _linked(source: Path, target: Path) -> bool:
    try:
        os.link(source.resolve(), target)
    except OSError:  # another file system, or one without links
        return False
    return True


def coco_truth(samples: Sequence[tuple[str, np.ndarray, list[float] | None]]) -> dict[str, Any]:
    """COCO ground truth of A2D-Sentences or JHMDB-Sentences: one image and one annotation per sample.

    Args:
        samples: image id, mask (H, W) uint8, box x, y, w, h or None, in order.
    """
    images, annotations = [], []
    for number, (image_id, mask, box) in enumerate(samples, 1):
        height, width = mask.shape
        images.append(dict(id=image_id, height=height, width=width))
        entry = dict(id=number, image_id=image_id, category_id=1, segmentation=encode_rle(mask), area=float(mask.sum()))
        annotations.append(dict(entry, **({} if box is None else dict(bbox=box)), iscrowd=0))
    return dict(categories=[dict(id=1, name='dummy_class')], images=images, annotations=annotations)
