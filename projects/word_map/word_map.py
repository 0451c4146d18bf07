"""A pixel belongs to the referent if its feature fits the sentence: a method in one small file."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.losses.functional import dice_coefficient
from mmlvs.models.segmentors import VideoSegmentor
from mmlvs.registry import MODELS
from mmlvs.utils import build


@MODELS.register_module()
class WordMap(VideoSegmentor):
    """Mask logits are scalar products of pixel features at stride 4 and a projected sentence.

    Args:
        text_encoder: expressions to ``TextFeatures``, with ``out_channels``.
        channels: width C of pixels and sentence.
        data_preprocessor: as for :class:`VideoSegmentor`; its codec needs ``mask_stride=4``.
    """

    def __init__(self, *, text_encoder: dict | nn.Module, channels: int = 32,
                 data_preprocessor: dict | nn.Module | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.text_encoder = build(text_encoder, MODELS)
        self.sentence = nn.Linear(self.text_encoder.out_channels, channels)
        self.pixels = nn.Sequential(
            nn.Conv2d(3, channels, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(channels, channels, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(channels, channels, 5, padding=2))

    def encode_video(self, frames: Tensor) -> Tensor:
        """Pixel features, once for all sentences: (B, T, 3, H, W) -> (B, T, C, h, w)."""
        return self.pixels(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    def encode_text(self, texts: list[str]) -> Tensor:
        """Sentences: (E, C)."""
        if not texts:  # nothing is asked of this batch
            return self.sentence.weight.new_zeros((0, self.sentence.out_features))
        return self.sentence(self.text_encoder(texts).sentence)

    def _forward(self, inputs, data_samples=None) -> Tensor:
        """Mask logits of every row: (E, T, h, w)."""
        pixels = self.encode_video(inputs['img'].frames)
        sentences = self.encode_text(self.texts_of(data_samples))
        return torch.einsum('etchw,ec->ethw', pixels[self.clip_of(data_samples)], sentences)

    def loss(self, inputs, data_samples) -> dict[str, Tensor]:
        """Binary cross-entropy and dice against the true masks, seen at stride 4."""
        logits = self._forward(inputs, data_samples)  # E T h w
        if not len(logits):  # nothing is asked: no loss, but every weight takes part, as several processes need it
            return dict(loss_mask=sum(0.0 * weight.sum() for weight in self.parameters()))
        goal = torch.zeros_like(logits)
        rows = [(sample, n) for sample in data_samples for n in range(sample.num_expressions)]
        for row, (sample, n) in zip(goal, rows, strict=True):
            target = sample.target(n)[:, 2::4, 2::4]  # T H W -> T h w, the middle of every cell
            row[:len(target), :target.shape[1], :target.shape[2]] = target
        dice = 1 - dice_coefficient(logits.sigmoid().flatten(1), goal.flatten(1))  # E
        return dict(loss_mask=F.binary_cross_entropy_with_logits(logits, goal), loss_dice=dice.mean())

    def predict(self, inputs, data_samples):
        """Masks at original size; the codec knows the way back."""
        parts = self._forward(inputs, data_samples).split([sample.num_expressions for sample in data_samples])
        for part, sample, size in zip(parts, data_samples, inputs['img'].sizes, strict=True):
            original = tuple(sample.metainfo['ori_shape'])
            masks = [self.data_preprocessor.codec.restore_masks(row[sample.scored_frames], img_shape=tuple(size),
                                                                ori_shape=original) for row in part]  # N of K H W
            empty = torch.zeros((0, len(sample.scored_frames), *original), dtype=torch.bool)
            sample.set_prediction(torch.stack(masks) if masks else empty)
        return data_samples
