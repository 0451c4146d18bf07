"""Carries a model's state from one clip of a video to the next."""

from typing import Any

from mmengine.hooks import Hook

from mmlvs.registry import HOOKS
from mmlvs.structures import VideoSegDataSample


@HOOKS.register_module()
class ClipStateHook(Hook):
    """Sets ``sample.state`` before each val or test step and takes it back after, keyed by video and expressions.

    The state a model leaves must be detached; at the last clip of a video it is dropped, so memory does not grow with
    the number of videos. Two clips of one video in a batch are refused when the later one would need the earlier
    one's state.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self._states: dict[tuple, Any] = {}

    @staticmethod
    def _key(sample: VideoSegDataSample) -> tuple:
        meta = sample.metainfo
        return (meta.get('dataset'), meta['video_id'], tuple(meta.get('expression_ids', ())))

    def _before_iter(self, runner, batch_idx: int, data_batch: dict | None = None, mode: str = 'train') -> None:
        if mode == 'train':
            return
        for sample in data_batch['data_samples']:
            if sample.metainfo['clip']['is_first']:
                self._states.pop(self._key(sample), None)
                sample.state = {}
            else:
                sample.state = self._states.pop(self._key(sample), None)

    def _after_iter(self, runner, batch_idx: int, data_batch: dict | None = None, outputs: Any = None,
                    mode: str = 'train') -> None:
        if mode == 'train':
            return
        for sample in outputs:
            state = sample.pop('state', None)
            if not sample.metainfo['clip']['is_last']:
                self._states[self._key(sample)] = state

    def _before_epoch(self, runner, mode: str = 'train') -> None:
        self._states.clear()

    def _after_epoch(self, runner, mode: str = 'train') -> None:
        self._states.clear()
