"""Decoder of the Vision-Language Transformer, as LAVT was compared with it (Ding et al., ICCV 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.decoders.top_down_mask_decoder import ConvBNReLU
from mmlvs.models.layers.pixel_word_attention import mean_word
from mmlvs.models.layers.resized_convolution import resize_aligned
from mmlvs.registry import MODELS
from mmlvs.utils import tap


def sinusoids(length: int, channels: int, like: Tensor) -> Tensor:
    """Sines in even and cosines in odd channels of the positions 0, 1, ...: (length, channels), made in float32."""
    position = torch.arange(length, dtype=torch.float32, device=like.device)[:, None]
    steps = torch.arange(0, channels, 2, dtype=torch.float32, device=like.device)
    angle = position * torch.exp(steps * (-torch.log(torch.tensor(10000.0)).item() / channels))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).to(like.dtype)  # (length, C/2, 2) -> (length, C)


def coordinates(x: Tensor) -> Tensor:
    """Columns three times, then rows three times, from -1 to 1: (N, 6, h, w)."""
    height, width = x.shape[-2:]
    rows = torch.linspace(-1, 1, height, dtype=x.dtype, device=x.device)[:, None].expand(height, width)
    columns = torch.linspace(-1, 1, width, dtype=x.dtype, device=x.device)[None].expand(height, width)
    return torch.stack([columns] * 3 + [rows] * 3).expand(len(x), -1, -1, -1)


class QueryGeneration(nn.Module):
    """Queries that each look at the words in their own way, led by the map (section 3.2 of VLT)."""

    def __init__(self, *, in_channels: int, text_channels: int, channels: int, num_queries: int, grid: int,
                 num_heads: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.Sequential(ConvBNReLU(in_channels=in_channels + 6, out_channels=in_channels),
                                   ConvBNReLU(in_channels=in_channels, out_channels=in_channels),
                                   ConvBNReLU(in_channels=in_channels, out_channels=in_channels))
        self.maps = nn.Conv2d(in_channels, num_queries, 1, bias=False)
        self.query = nn.Linear(grid * grid, channels, bias=False)
        self.words = nn.Linear(text_channels, channels, bias=False)
        self.attention = nn.MultiheadAttention(channels, num_heads, dropout=dropout, batch_first=True)

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """(N, C, S, S), (N, L, C_text), (N, L) -> queries (N, Q, C')."""
        maps = self.maps(self.convs(torch.cat([x, coordinates(x)], dim=1)))  # N Q S S
        visual = F.relu(self.query(maps.flatten(2)))  # N Q S*S -> N Q C
        words = F.relu(self.words(words))
        key = words + sinusoids(words.shape[1], words.shape[2], words)
        query = visual + sinusoids(visual.shape[1], visual.shape[2], visual)
        return self.attention(query, key, key, key_padding_mask=~mask, need_weights=False)[0] + visual


@MODELS.register_module()
class VLTDecoder(nn.Module):
    """Queries made of the words and the map are decoded against the map, weighted, and laid out as a mask.

    Args:
        in_channels: channels of the maps; the last three, at strides 8, 16 and 32, are used.
        grid: side S of the map at stride 16: the side of the (square) images by 16.
        text_channels: C of the words.
        channels: width of the transformer.
        num_queries, num_heads, encoder_layers, decoder_layers, feedforward_channels, dropout: of the transformer.
    """

    needs_text = True

    def __init__(self, *, in_channels: Sequence[int], grid: int, text_channels: int = 768, channels: int = 256,
                 num_queries: int = 16, num_heads: int = 8, encoder_layers: int = 2, decoder_layers: int = 2,
                 feedforward_channels: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        if len(in_channels) < 3:
            raise ValueError(f'VLTDecoder takes maps at strides 8, 16 and 32, found {len(in_channels)}: {in_channels}')
        c2, c3, c4 = in_channels[-3:]
        self.grid = grid
        self.deepest = nn.Sequential(ConvBNReLU(in_channels=c4, out_channels=c3, kernel=1),
                                     ConvBNReLU(in_channels=c3, out_channels=c4))
        self.sentence = nn.Sequential(nn.Linear(text_channels, c4), nn.BatchNorm1d(c4), nn.ReLU())
        self.joint = nn.Sequential(nn.BatchNorm2d(c4), nn.ReLU())

        def point(width: int, out: int) -> ConvBNReLU:
            return ConvBNReLU(in_channels=width, out_channels=out, kernel=1)

        self.skip3, self.fuse3 = point(c3, c3), point(c4 + c3, c3)
        self.skip2, self.fuse2 = point(c2, c2), point(c3 + c2, c3)
        self.hallucinate = nn.Sequential(point(c3, c3 // 2), ConvBNReLU(in_channels=c3 // 2, out_channels=c3))
        self.fuse_again, self.fuse_deep = point(2 * c3, c3), point(c4 + c3, channels)
        self.memory = point(channels, channels)
        self.queries = QueryGeneration(in_channels=c3, text_channels=text_channels, channels=channels, grid=grid,
                                       num_queries=num_queries, num_heads=num_heads, dropout=dropout)
        layer = dict(d_model=channels, nhead=num_heads, dim_feedforward=feedforward_channels, dropout=dropout,
                     batch_first=True)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**layer), encoder_layers,
                                             enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**layer), decoder_layers)
        self.before, self.after = (nn.Linear(channels, channels, bias=False) for _ in range(2))
        self.balance = nn.Sequential(nn.Linear(2 * channels, channels, bias=False), nn.ReLU(),
                                     nn.Linear(channels, 1, bias=False), nn.Sigmoid())
        self.layout = nn.Linear(channels, grid * grid, bias=False)
        self.refine = ConvBNReLU(in_channels=num_queries, out_channels=channels)
        self.upwards = nn.ModuleList(ConvBNReLU(in_channels=channels, out_channels=channels) for _ in range(5))
        self.logits = nn.Conv2d(channels, 2, 1)

    def forward(self, maps: Sequence[Tensor], words: Tensor, mask: Tensor) -> Tensor:
        """Logits of background and referent.

        Args:
            maps: (N, C_i, h, w), the last three at strides 8, 16, 32; that at stride 16 is S x S.
            words: (N, L, C_text). mask: (N, L) bool, True = word.

        Returns:
            Tensor: (N, 2, 8 * S, 8 * S).

        Raises:
            ValueError: maps of another size.
        """
        c2, c3, c4 = maps[-3:]
        if tuple(c3.shape[-2:]) != (self.grid, self.grid):
            raise ValueError(f'VLTDecoder was built for images of {16 * self.grid} x {16 * self.grid} pixels, the map '
                             f'at stride 16 is {tuple(c3.shape[-2:])}; resize the images or set grid')
        sentence = self.sentence(mean_word(words, mask))[:, :, None, None]  # N C -> N C 1 1
        deep = tap('joint_threshold', self.joint((c4 + self.deepest(c4)) * sentence))
        deep = resize_aligned(deep, tuple(c3.shape[-2:]))
        x = tap('fuse_1_2', self.fuse3(torch.cat([deep, self.skip3(c3)], dim=1)))
        lead = tap('fuse_2_3', self.fuse2(torch.cat([x, self.skip2(F.avg_pool2d(c2, 2))], dim=1)))
        again = self.fuse_again(torch.cat([self.hallucinate(lead), x], dim=1))
        memory = tap('last_project', self.memory(self.fuse_deep(torch.cat([deep, again], dim=1))))
        queries = tap('query_generation', self.queries(lead, words, mask))  # N Q C
        memory = memory.flatten(2).transpose(1, 2)  # N C S S -> N S*S C
        memory = self.encoder(memory + sinusoids(*memory.shape[1:], memory))
        decoded = tap('transformer_fusion', self.decoder(queries + sinusoids(*queries.shape[1:], queries), memory))
        after, before = F.relu(self.after(decoded)), F.relu(self.before(queries))
        x = tap('query_balancing', self.balance(torch.cat([after, before], dim=-1)) * after)  # N Q C
        x = F.relu(self.layout(x)).unflatten(2, (self.grid, self.grid))  # N Q S*S -> N Q S S
        x = tap('spatial_refine', self.refine(x))
        for i, conv in enumerate(self.upwards):
            x = conv(x if i < 2 else resize_aligned(x, tuple(2 * n for n in x.shape[-2:])))
        return self.logits(x)
