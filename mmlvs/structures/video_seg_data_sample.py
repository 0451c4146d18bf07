"""The one annotation and result structure of mmlvs."""

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

_SPACES = ('original', 'network')


class VideoSegDataSample(BaseDataElement):
    """Everything known about one clip besides its pixels.

    Meta (``sample.metainfo``): ``video_id``, ``frame_ids``, ``frame_paths``, ``num_frames`` (of the whole video),
    ``clip`` (``dict(index, is_first, is_last)``), ``key_frames`` (positions in the clip that are predicted and
    scored), ``texts``,
    ``expression_ids``, ``expressions_info``, ``object_ids``, ``noun_chunks`` (character spans), ``ori_shape``,
    ``img_shape``, ``batch_input_shape``, ``scale_factor``, ``flip``, ``dataset``.

    Ground truth, per object (O objects, T frames):
        gt_masks: (O, T, H, W) uint8, the reader's own values (soft saliency truth stays soft).
        gt_ignore: (T, H, W) bool, void pixels.
        gt_boxes: (O, T, 4) float, x1, y1, x2, y2 in pixels of the ground truth's size.
        gt_valid: (O, T) bool, the object is visible.
        gt_annotated: (T,) bool, the frame carries annotation.
        gt_objects: for each expression the indices of its 0..n objects.

    Prediction, per expression (N expressions, K predicted frames):
        pred_masks: (N, K, H, W) bool over ``pred_frames`` (positions in the clip), in ``mask_space``.
        mask_space: ``'original'`` or ``'network'``.
        pred_scores: (N, K) float. pred_boxes: (N, K, 4) float, x1, y1, x2, y2 in pixels.
        pred_prob: float probabilities; pred_soft: uint8 saliency; candidates: all queries, for mAP. All on request.

    ``state``: ``{expression_id: state}`` that a model carries from clip to clip; set and taken by ``ClipStateHook``.
    """

    @property
    def num_expressions(self) -> int:
        """N, the number of expressions asked about this clip.

        Methods without text have one row a clip: ``expression_ids`` of length 1 and no ``texts``.
        """
        return len(self.metainfo.get('expression_ids', ()))

    @property
    def num_clip_frames(self) -> int:
        """T, the number of frames of this clip."""
        return len(self.metainfo['frame_ids'])

    @property
    def scored_frames(self) -> list[int]:
        """Positions in the clip that are predicted and scored: ``key_frames``, or all."""
        frames = self.metainfo.get('key_frames')
        return list(range(self.num_clip_frames)) if frames is None else list(frames)

    @property
    def is_key_frame_item(self) -> bool:
        """Whether only some frames of the clip are predicted (A2D, JHMDB)."""
        return len(self.scored_frames) != self.num_clip_frames

    def target(self, expression: int) -> Tensor:
        """Boolean union of the objects that one expression refers to.

        Args:
            expression: index of the expression, 0..N-1.

        Returns:
            (T, H, W) bool; all False when the expression refers to no object.

        Raises:
            AttributeError: the sample carries no ground truth.
            IndexError: there is no such expression.
        """
        if 'gt_masks' not in self:
            raise AttributeError(
                f'sample of video {self.metainfo.get("video_id")!r} carries no gt_masks: its split has no public '
                'masks, or the pipeline has no LoadMasks before PackClip')
        objects = self.gt_objects
        if not 0 <= expression < len(objects):
            raise IndexError(f'expression {expression} of video {self.metainfo.get("video_id")!r}: '
                             f'it has {len(objects)}')
        return (self.gt_masks[list(objects[expression])] > 0).any(dim=0)

    def set_prediction(self, masks: Tensor, *, scores: Tensor | None = None, boxes: Tensor | None = None,
                       frames: list[int] | None = None, space: str = 'original') -> None:
        """Attach a prediction and check its shape.

        Args:
            masks: (N, K, H, W) bool.
            scores: (N, K) float.
            boxes: (N, K, 4) float.
            frames: the K predicted positions; default ``scored_frames``.
            space: ``'original'`` (masks have ``ori_shape``) or ``'network'`` (``img_shape``).

        Raises:
            ValueError: a shape does not fit the sample.
        """
        frames = self.scored_frames if frames is None else list(frames)
        if space not in _SPACES:
            raise ValueError(f'space {space!r}: expected one of {_SPACES}')
        size = tuple(self.metainfo['ori_shape' if space == 'original' else 'img_shape'])
        expected = (self.num_expressions, len(frames), *size)
        if tuple(masks.shape) != expected or masks.dtype != torch.bool:
            raise ValueError(f'prediction of video {self.metainfo.get("video_id")!r}: expected bool masks of shape '
                             f'{expected} (N, K, H, W), found {masks.dtype} {tuple(masks.shape)}')
        self.pred_masks, self.pred_frames, self.mask_space = masks, frames, space
        if scores is not None:
            if tuple(scores.shape) != expected[:2]:
                raise ValueError(f'expected scores of shape {expected[:2]}, found {tuple(scores.shape)}')
            self.pred_scores = scores
        if boxes is not None:
            if tuple(boxes.shape) != (*expected[:2], 4):
                raise ValueError(f'expected boxes of shape {(*expected[:2], 4)}, found {tuple(boxes.shape)}')
            self.pred_boxes = boxes
