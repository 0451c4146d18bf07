"""Attention between pixels of a clip and words of an expression (ReferFormer, Wu et al., CVPR 2022, section 3)."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.layers.blocks import by_tokens


class VisionLanguageFusion(nn.Module):
    """Pixels weighted by what they read from the words: ``pixels * attention(pixels, words)``, element by element.

    Also serves the other direction (words weighted by what they read from the pixels).

    Args:
        channels: width C of pixels and words.
        num_heads: attention heads.
    """

    def __init__(self, *, channels: int = 256, num_heads: int = 8) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, num_heads, batch_first=True)

    def forward(self, x: Tensor, memory: Tensor, memory_position: Tensor,
                memory_padding: Tensor | None = None) -> Tensor:
        """Fuse.

        Args:
            x: (E, N, C) queries, without position.
            memory: (E, M, C) keys and values.
            memory_position: (E, M, C), added to the keys only.
            memory_padding: (E, M) bool, True = padding.

        Returns:
            (E, N, C).
        """
        keys = memory + memory_position

        def attend(x: Tensor) -> Tensor:
            read, _ = self.attention(x, keys, memory, key_padding_mask=memory_padding, need_weights=False)
            return x * read

        return by_tokens(attend, x)


class VisionLanguageBlock(nn.Module):
    """Pixels of a whole clip attend to each other, then to the words; then a feed-forward layer (post-norm).

    With reduction r the attention among pixels runs on maps of (h // r, w // r), made by nearest resize; its result is
    enlarged bilinearly.

    Args:
        channels: width C.
        num_heads: attention heads.
        feedforward_channels: hidden width of the feed-forward layer.
        reduction: r.
        dropout: of attention weights, attention results and the feed-forward layer.
    """

    def __init__(self, *, channels: int = 256, num_heads: int = 8, feedforward_channels: int = 2048, reduction: int = 1,
                 dropout: float = 0.1) -> None:
        super().__init__()
        self.reduction = reduction
        self.vision_attention = nn.MultiheadAttention(channels, num_heads, dropout=dropout, batch_first=True)
        self.vision_norm = nn.LayerNorm(channels)
        self.text_attention = nn.MultiheadAttention(channels, num_heads, dropout=dropout, batch_first=True)
        self.text_norm = nn.LayerNorm(channels)
        self.feedforward = nn.Sequential(nn.Linear(channels, feedforward_channels), nn.ReLU(inplace=True),
                                         nn.Dropout(dropout), nn.Linear(feedforward_channels, channels))
        self.feedforward_norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, position: Tensor, words: Tensor, word_position: Tensor, *,
                padding: Tensor | None = None, word_padding: Tensor | None = None) -> Tensor:
        """Both steps, for a clip and its expression.

        Args:
            x, position: (E, T, h, w, C).
            words, word_position: (E, L, C).
            padding: (E, T, h, w) bool, True = padding.
            word_padding: (E, L) bool, True = padding.

        Returns:
            (E, T, h, w, C).
        """
        x = self.attend_pixels(x, position, padding)
        return self.attend_words(x, position, words, word_position, word_padding)

    def attend_pixels(self, x: Tensor, position: Tensor, padding: Tensor | None = None) -> Tensor:
        """First step; needs no text. Shapes as in :meth:`forward`."""
        size = tuple(x.shape[2:4])
        small = tuple(max(n // self.reduction, 1) for n in size)
        value = _resize(x, small)  # E T h/r w/r C
        query = (value + _resize(position, small)).flatten(1, 3)  # E T h/r w/r C -> E T*h/r*w/r C
        value = value.flatten(1, 3)
        if padding is not None:
            padding = _resize(padding[..., None].float(), small).flatten(1).bool()  # E T h w -> E T*h/r*w/r
        read, _ = self.vision_attention(query, query, value, key_padding_mask=padding, need_weights=False)
        read = read.unflatten(1, (x.shape[1], *small))  # E T*h/r*w/r C -> E T h/r w/r C
        return self.vision_norm(x + self.dropout(_resize(read, size, mode='bilinear')))

    def attend_words(self, x: Tensor, position: Tensor, words: Tensor, word_position: Tensor,
                     word_padding: Tensor | None = None) -> Tensor:
        """Second step and feed-forward layer. Shapes as in :meth:`forward`."""
        keys = words + word_position

        def attend(x: Tensor, position: Tensor) -> Tensor:  # every pixel for itself: rows of the frames, E T h' w C
            query = (x + position).flatten(1, 3)  # E T h' w C -> E T*h'*w C
            read, _ = self.text_attention(query, keys, words, key_padding_mask=word_padding, need_weights=False)
            x = self.text_norm(x + self.dropout(read.view(x.shape)))
            return self.feedforward_norm(x + self.dropout(self.feedforward(x)))

        return by_tokens(attend, x, position, axis=2)


def _resize(x: Tensor, size: tuple[int, int], mode: str = 'nearest') -> Tensor:
    """Frames of (E, T, h, w, C) to ``size``."""
    if tuple(x.shape[2:4]) == tuple(size) or len(x) == 0:
        return x if len(x) else x.new_zeros((0, x.shape[1], *size, x.shape[-1]))
    frames = x.flatten(0, 1).permute(0, 3, 1, 2)  # E T h w C -> E*T C h w
    frames = F.interpolate(frames, size=size, mode=mode, align_corners=None if mode == 'nearest' else False)
    return frames.permute(0, 2, 3, 1).unflatten(0, x.shape[:2])  # E*T C h w -> E T h w C
