"""Locate-then-segment decoder, as LAVT was compared with it (Jing et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.decoders.top_down_mask_decoder import ConvBNReLU
from mmlvs.models.layers.pixel_word_attention import SentenceVector
from mmlvs.models.layers.resized_convolution import resize_aligned
from mmlvs.registry import MODELS
from mmlvs.utils import tap


def _point(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.LeakyReLU())


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling (DeepLab v3): one cell, three dilations and the mean, joined by one cell."""

    def __init__(self, *, in_channels: int, out_channels: int, dilations: Sequence[int] = (12, 24, 36),
                 dropout: float = 0.5) -> None:
        super().__init__()
        self.branches = nn.ModuleList([
            ConvBNReLU(in_channels=in_channels, out_channels=out_channels, kernel=1),
            *(ConvBNReLU(in_channels=in_channels, out_channels=out_channels, dilation=rate) for rate in dilations)])
        self.mean = ConvBNReLU(in_channels=in_channels, out_channels=out_channels, kernel=1)
        self.join = ConvBNReLU(in_channels=(len(dilations) + 2) * out_channels, out_channels=out_channels, kernel=1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C', h, w)."""
        mean = self.mean(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        return self.dropout(self.join(torch.cat([*(branch(x) for branch in self.branches), mean], dim=1)))


@MODELS.register_module()
class LTSDecoder(nn.Module):
    """The sentence multiplies the deepest map and, as a filter, gives a map of relevance; then a pyramid and two
    logits.

    Args:
        in_channels: channels of the maps; the last three, at strides 8, 16 and 32, are used.
        text_channels: C of the words.
    """

    needs_text = True

    def __init__(self, *, in_channels: Sequence[int], text_channels: int = 768) -> None:
        super().__init__()
        if len(in_channels) < 3:
            raise ValueError(f'LTSDecoder takes maps at strides 8, 16 and 32, found {len(in_channels)}: {in_channels}')
        c2, c3, c4 = in_channels[-3:]
        self.sentence = SentenceVector(text_channels=text_channels, channels=c4)
        self.sentence_projection = nn.Sequential(nn.Linear(c4, c4), nn.LeakyReLU())
        self.deepest = _point(c4, c4)
        self.conv4, self.skip3 = _point(c4, c3), _point(c3, c3)
        self.conv3, self.skip2 = _point(2 * c3, c3), _point(c2, c2)
        self.filter = nn.Linear(c4, c3 + c2)
        self.pyramid = AtrousPyramid(in_channels=c3 + c2 + 1, out_channels=c2)
        self.logits = nn.Conv2d(c2, 2, 1)

    def forward(self, maps: Sequence[Tensor], words: Tensor, mask: Tensor) -> Tensor:
        """Logits of background and referent.

        Args:
            maps: (N, C_i, h, w), the last three at strides 8, 16, 32.
            words: (N, L, C_text). mask: (N, L) bool, True = word.

        Returns:
            Tensor: (N, 2, h, w), twice as fine as the finest map.
        """
        c2, c3, c4 = maps[-3:]
        sentence = tap('lang_gen', self.sentence(words, mask))
        query = tap('lang_proj', self.sentence_projection(sentence))
        x = tap('vis_proj', self.deepest(c4)) * query[:, :, None, None]
        x = tap('conv4', self.conv4(resize_aligned(x, tuple(c3.shape[-2:]))))
        x = torch.cat([x, tap('conv3_v', self.skip3(c3))], dim=1)
        x = tap('conv3', self.conv3(resize_aligned(x, tuple(c2.shape[-2:]))))
        x = torch.cat([x, tap('conv2_v', self.skip2(c2))], dim=1)
        relevance = torch.einsum('nchw,nc->nhw', x, tap('lang_filter', self.filter(query)))
        x = tap('aspp', self.pyramid(torch.cat([x, relevance[:, None]], dim=1)))
        return F.interpolate(tap('conv1_1', self.logits(x)), scale_factor=2, mode='bilinear', align_corners=False)
