"""A batch of clips of one stream, as a network sees it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class ClipBatch:
    """Padded, normalised clips of one stream with their validity.

    Attributes:
        frames: (B, T, 3, H, W) float, normalised; zeros where padded.
        padding: (B, T, H, W) bool, True = padding (right, bottom, and frames beyond a clip's length).
        sizes: unpadded (height, width) of each clip in pixels, length B.
        lengths: number of real frames of each clip, length B.
    """

    frames: Tensor
    padding: Tensor
    sizes: list[tuple[int, int]]
    lengths: list[int]

    def __len__(self) -> int:
        return self.frames.shape[0]

    @property
    def padded_size(self) -> tuple[int, int]:
        """(height, width) that all clips of the batch share."""
        return tuple(self.frames.shape[-2:])
