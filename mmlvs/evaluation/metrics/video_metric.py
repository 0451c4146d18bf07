"""Scores of videos: records with keys, so that nothing is counted twice and nothing is lost between processes."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

from mmengine.dist import all_gather_object, broadcast_object_list, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmlvs.structures import VideoSegDataSample

Key = tuple[str, str, str]
Record = Any


class VideoMetric(BaseMetric):
    """Base of all metrics.

    A subclass turns one predicted clip into records, numbers or small arrays keyed (video, expression, frame); frames
    are named, not numbered, so that clips join. When evaluating, the records of all ranks are collected, duplicates
    dropped by key, sorted by key and aggregated; the result does not depend on the number of processes.

    Clips without ground truth (own videos that are only to be predicted) are not scored; if there are no others, the
    log says so and there are no results.

    Args:
        prefix: put before the names of the results.
        collect_device: as in mmengine.
    """

    needs_truth = True
    """False for what only writes predictions."""

    def __init__(self, *, prefix: str | None = None, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self._unscored: set[str] = set()

    @abstractmethod
    def score(self, sample: VideoSegDataSample) -> Iterable[tuple[Key, Record]]:
        """Records of one predicted clip."""

    @abstractmethod
    def aggregate(self, records: dict[Key, Record]) -> dict[str, float]:
        """Results from all records, sorted by key."""

    def process(self, data_batch: Any, data_samples: Sequence[VideoSegDataSample]) -> None:
        """Score the clips of a batch at once; masks are not kept."""
        for sample in data_samples:
            if self.needs_truth and 'gt_masks' not in sample:
                self._unscored.add(str(sample.metainfo.get('video_id')))
            else:
                self.results.extend(self.score(sample))

    def evaluate(self, size: int) -> dict[str, float]:
        """Results over all ranks.

        Args:
            size: length of the data set; not used, since keys tell what is a repetition.

        Raises:
            RuntimeError: no clip was predicted at all.
        """
        gathered = all_gather_object(self.results)
        unscored = sorted(set().union(*all_gather_object(self._unscored)))
        self._unscored.clear()
        if unscored:
            print_log(f'{type(self).__name__}: {len(unscored)} videos are not scored: their clips carry no gt_masks. '
                      'The split has no public masks, or the pipeline no LoadMasks before PackClip '
                      f'({", ".join(unscored[:5])})', logger='current', level=logging.WARNING)
        results = [None]
        if is_main_process():
            records = {key: record for rank_results in gathered for key, record in rank_results}
            if not records and not unscored:
                raise RuntimeError(f'{type(self).__name__} has nothing to score: no clip with an expression was '
                                   'predicted')
            found = self.aggregate({key: records[key] for key in sorted(records)}) if records else {}
            results = [{f'{self.prefix}/{name}' if self.prefix else name: value for name, value in found.items()}]
        broadcast_object_list(results)
        self.results.clear()
        return results[0]

    def compute_metrics(self, results: list) -> dict:
        """mmengine's name for the last step, for callers that hold a plain list of records."""
        return self.aggregate(dict(sorted(dict(results).items())))
