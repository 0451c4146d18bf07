"""Several data sets as one, for joint training."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from torch.utils.data import Dataset

from mmlvs.datasets.base import Item
from mmlvs.registry import DATASETS
from mmlvs.utils import build


@DATASETS.register_module()
class ConcatVideoDataset(Dataset):
    """The items of several data sets one after the other, without balancing (joint training of ReferFormer).

    Unlike torch's ``ConcatDataset`` it hands the epoch and seed of a ``ClipIndex`` on, so that items are drawn anew in
    every epoch.

    Args:
        datasets: data sets or their settings, in order.
        repeats: how often each of them is listed in an epoch, one after the other (mixtures); None = once. Items that
            come again are drawn anew.

    Raises:
        ValueError: the list is empty, or ``repeats`` does not fit it.
    """

    def __init__(self, *, datasets: Sequence[dict | Dataset], repeats: Sequence[int] | None = None) -> None:
        if not datasets:
            raise ValueError('ConcatVideoDataset: expected at least one data set, found none')
        repeats = [1] * len(datasets) if repeats is None else list(repeats)
        if len(repeats) != len(datasets) or min(repeats) < 1:
            raise ValueError(f'ConcatVideoDataset: repeats {repeats}: expected {len(datasets)} numbers of at least 1')
        self.datasets = [build(dataset, DATASETS) for dataset in datasets]
        self.repeats = repeats
        self._stops = list(accumulate(len(d) * times for d, times in zip(self.datasets, repeats, strict=True)))

    def __len__(self) -> int:
        return self._stops[-1]

    @property
    def metainfo(self) -> dict[str, Any]:
        """Names and splits of the parts, joined by ``+``, and the parts themselves."""
        parts = [dataset.metainfo for dataset in self.datasets]
        return dict(dataset=' + '.join(part['dataset'] for part in parts),
                    split=' + '.join(part['split'] for part in parts), parts=parts)

    def __getitem__(self, index: int) -> Item:
        """Item of an index; a ``ClipIndex`` carries the epoch and the seed of its draws."""
        n, local, turn = self._locate(int(index))
        epoch = getattr(index, 'epoch', 0) * self.repeats[n] + turn
        return self.datasets[n].get_item(local, epoch=epoch, seed=getattr(index, 'seed', None))

    def texts(self, *, exchanged: bool = False) -> list[str]:
        """All expressions in order, see :meth:`VideoExpressionDataset.texts`."""
        return [text for dataset in self.datasets for text in dataset.texts(exchanged=exchanged)]

    def video_of(self, index: int) -> str:
        """Id of the video that item ``index`` belongs to, after the number of its data set: ids may repeat."""
        n, local, _ = self._locate(index)
        return f'{n}/{self.datasets[n].video_of(local)}'

    def cost_of(self, index: int) -> int:
        """Frames that item ``index`` reads."""
        n, local, _ = self._locate(index)
        return self.datasets[n].cost_of(local)

    def _locate(self, index: int) -> tuple[int, int, int]:
        """Number of the data set, index there, and how often that item came before."""
        if not -len(self) <= index < len(self):
            raise IndexError(f'item {index} of {len(self)} items')
        index %= len(self)
        n = bisect_right(self._stops, index)
        turn, local = divmod(index - (self._stops[n - 1] if n else 0), len(self.datasets[n]))
        return n, local, turn
