"""Hands samples to the metrics as they are."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import Evaluator

from mmlvs.registry import EVALUATOR
from mmlvs.structures import VideoSegDataSample


@EVALUATOR.register_module()
class VideoEvaluator(Evaluator):
    """mmengine's Evaluator, except that metrics receive :class:`VideoSegDataSample` and not nested dicts of it."""

    def process(self, data_samples: Sequence[VideoSegDataSample], data_batch: Any | None = None) -> None:
        """Give every metric the predicted samples of a batch."""
        for metric in self.metrics:
            metric.process(data_batch, data_samples)
