"""DAVIS-16 read plainly: pairs of image and mask in the order of the list, foreground = value above 0."""

from pathlib import Path
from typing import Any

from mmlvs.datasets.davis import frame_pairs
from mmlvs.datasets.official import register_view
from mmlvs.datasets.official.common import mask_entry
from mmlvs.datasets.png_masks import read_grey


@register_view('davis2016', 'plain')
def plain(data_root: Path, *, split: str | None = None, num_frames: int | None = None,
          limit: int | None = None) -> dict[str, Any]:
    """Every frame of ``train`` and ``val`` (or of ``split``), by sequence. ``limit`` counts frames of a split."""
    splits = [split] if split else ['train', 'val']
    sets: dict[str, dict[str, list[dict]]] = {name: {} for name in splits}
    for name, sequences in sets.items():
        for pair in frame_pairs(Path(data_root), name)[:limit]:
            entry = mask_entry(read_grey(pair.mask_file))
            sequences.setdefault(pair.sequence, []).append(
                dict(frame=pair.frame, image=pair.image, mask=pair.mask) | entry)
    return {'class': 'plain reading (no loader among the studied sources reads this layout); foreground = value > 0',
            'sets': sets}
