"""What a text encoder gives to a network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor


@dataclass
class TextFeatures:
    """Features of E expressions of at most L tokens.

    Attributes:
        words: (E, L, C), one feature a token, special tokens included.
        sentence: (E, C), one feature an expression.
        mask: (E, L) bool, True = real token (special tokens included), False = padding.
        offsets: for each expression an int64 (L, 2) of the characters [start, end) a token stands for, (0, 0) for
            special tokens and padding; None when the features come from ids.
    """

    words: Tensor
    sentence: Tensor
    mask: Tensor
    offsets: list[Tensor] | None = None

    @property
    def padding(self) -> Tensor:
        """(E, L) bool, True = padding, as attention layers take it."""
        return ~self.mask

    def __len__(self) -> int:
        return self.words.shape[0]

    def __getitem__(self, rows: slice) -> TextFeatures:
        """The expressions of a slice."""
        return replace(
            self,
            words=self.words[rows],
            sentence=self.sentence[rows],
            mask=self.mask[rows],
            offsets=None if self.offsets is None else self.offsets[rows],
        )
