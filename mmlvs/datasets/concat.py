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

    Raises:
        ValueError: the list is empty.
    """

    def __init__(self, *, datasets: Sequence[dict | Dataset]) -> None:
        if not datasets:
            raise ValueError('ConcatVideoDataset: expected at least one data set, found none')
        self.datasets = [build(dataset, DATASETS) for dataset in datasets]
        self._stops = list(accumulate(len(dataset) for dataset in self.datasets))

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
        dataset, local = self._locate(int(index))
        return dataset.get_item(local, epoch=getattr(index, 'epoch', 0), seed=getattr(index, 'seed', None))

    def texts(self, *, exchanged: bool = False) -> list[str]:
        """All expressions in order, see :meth:`VideoExpressionDataset.texts`."""
        return [text for dataset in self.datasets for text in dataset.texts(exchanged=exchanged)]

    def video_of(self, index: int) -> str:
        """Id of the video that item ``index`` belongs to, after the number of its data set: ids may repeat."""
        dataset, local = self._locate(index)
        return f'{self.datasets.index(dataset)}/{dataset.video_of(local)}'

    def cost_of(self, index: int) -> int:
        """Frames that item ``index`` reads."""
        dataset, local = self._locate(index)
        return dataset.cost_of(local)

    def _locate(self, index: int) -> tuple[Any, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(f'item {index} of {len(self)} items')
        index %= len(self)
        n = bisect_right(self._stops, index)
        return self.datasets[n], index - (self._stops[n - 1] if n else 0)
