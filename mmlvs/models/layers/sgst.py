"""Semantic Gathering-Scattering Transformer of Isomer: foreground and background look at a few tokens of their own."""

import torch
from torch import Tensor, nn

from mmlvs.models.layers.cst import ConvFeedForward
from mmlvs.registry import MODELS

SCATTERS = ('none', 'position', 'memory_order')


class TokenAttention(nn.Module):
    """Multi-head attention of queries (N, C) to tokens (K, C), with residual and post-norm."""

    def __init__(self, *, channels: int, num_heads: int, dropout: float, norm_eps: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, num_heads, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(channels, eps=norm_eps)
        nn.init.xavier_uniform_(self.attention.out_proj.weight)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        found, _ = self.attention(queries, tokens, tokens, need_weights=False)
        return self.norm(queries + self.dropout(found))


class SemanticBranch(nn.Module):
    """One semantic class: merges the map into K tokens, and updates the positions of the class by them."""

    def __init__(self, *, channels: int, num_points: int, num_heads: int, num_layers: int, ffn_ratio: int,
                 dropout: float, norm_eps: float) -> None:
        super().__init__()
        self.soft_weights = nn.Conv2d(channels, num_points, 1)
        common = dict(channels=channels, dropout=dropout, norm_eps=norm_eps)
        self.attentions = nn.ModuleList(TokenAttention(num_heads=num_heads, **common) for _ in range(num_layers))
        self.ffns = nn.ModuleList(ConvFeedForward(ratio=ffn_ratio, **common) for _ in range(num_layers))

    def merge(self, feature: Tensor) -> Tensor:
        """Tokens (K, C) of a weighted map (C, h, w); their weights are not normalised."""
        weights = self.soft_weights(feature[None])[0]  # K h w
        return weights.flatten(1) @ feature.flatten(1).t()  # K h*w, h*w C -> K C

    def update(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """Positions (N, C), row-major, after all layers. The convolution runs along their list."""
        for attention, ffn in zip(self.attentions, self.ffns, strict=True):
            queries = ffn(attention(queries, tokens)[None, :, None])[0, :, 0]  # N C -> 1 N 1 C -> N C
        return queries


@MODELS.register_module()
class SemanticGatheringScatteringTransformer(nn.Module):
    """Fuses appearance and motion where semantics matter: positions that a heat map calls foreground attend to tokens
    merged from the foreground, background positions to tokens of the background (Isomer, ICCV 2023, section 3.3).

    Args:
        channels: width C of both features and of the result.
        num_points: K, merged tokens of each class.
        num_heads, num_layers: of the attention.
        ffn_ratio: hidden width of the feed-forward nets divided by C.
        threshold: t; foreground is heat >= t, background heat < 1 - t. Above 0.5 some positions are neither, below some
            are both, and the background's result stays.
        scatter: what becomes of the result. ``'position'``: every vector goes back to its position (as published).
            ``'none'``: it is thrown away and nothing but the first projection acts, which is what the released code
            computes and its weights were trained with. ``'memory_order'``: written as the released code would have
            done had it kept the result: position-major values into channel-major places (for comparison only).
        dropout: of attention and feed-forward nets.
        norm_eps: of all layer norms.

    Raises:
        ValueError: unknown ``scatter``, or ``threshold`` outside 0..1.
    """

    def __init__(self, *, channels: int, num_points: int = 121, num_heads: int = 8, num_layers: int = 1,
                 ffn_ratio: int = 8, threshold: float = 0.5, scatter: str = 'position', dropout: float = 0.1,
                 norm_eps: float = 1e-5) -> None:
        super().__init__()
        if scatter not in SCATTERS:
            raise ValueError(f'SemanticGatheringScatteringTransformer: scatter {scatter!r}, expected one of {SCATTERS}')
        if not 0 < threshold < 1:
            raise ValueError(f'SemanticGatheringScatteringTransformer: threshold {threshold}, expected 0..1, exclusive')
        self.threshold, self.scatter = threshold, scatter
        self.project = nn.Conv2d(2 * channels, channels, 1)
        self.heat_map = nn.Conv2d(channels, 1, 1)
        branch = dict(channels=channels, num_points=num_points, num_heads=num_heads, num_layers=num_layers,
                      ffn_ratio=ffn_ratio, dropout=dropout, norm_eps=norm_eps)
        self.foreground, self.background = SemanticBranch(**branch), SemanticBranch(**branch)

    @property
    def branches(self) -> tuple[SemanticBranch, SemanticBranch]:
        """Foreground and background, in the order in which they are written back."""
        return self.foreground, self.background

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Appearance ``x`` and motion ``y``, both (B, C, h, w), to (B, C, h, w)."""
        fused = self.project(torch.cat([x, y], dim=1))
        if self.scatter == 'none':
            return fused
        return torch.stack([self.refine(*pair) for pair in zip(fused, self.heat(fused)[:, 0], strict=True)])

    def heat(self, fused: Tensor) -> Tensor:
        """Probability of foreground, (B, C, h, w) -> (B, 1, h, w). Nothing supervises it."""
        return self.heat_map(fused).sigmoid()

    def choose(self, heat: Tensor) -> tuple[Tensor, Tensor]:
        """Positions of foreground and background in a heat map (h, w), as row-major indices (N,)."""
        flat = heat.flatten()  # h w -> h*w
        return (flat >= self.threshold).nonzero()[:, 0], (flat < 1 - self.threshold).nonzero()[:, 0]

    def refine(self, fused: Tensor, heat: Tensor) -> Tensor:
        """One image (C, h, w) with its heat map (h, w); unchanged where all of it is of one class."""
        chosen = self.choose(heat)
        if not all(map(len, chosen)):
            return fused
        queries, result = fused.flatten(1).t(), fused.flatten(1)  # C h w -> h*w C; C h*w
        for branch, index, weight in zip(self.branches, chosen, (heat, 1 - heat), strict=True):
            found = branch.update(queries[index], branch.merge(fused * weight)).to(result.dtype)  # N C; norms: float32
            if self.scatter == 'position':
                result = result.index_copy(1, index, found.t())
            else:
                place = torch.zeros_like(result, dtype=torch.bool).index_fill(1, index, True)  # C h*w
                result = result.masked_scatter(place, found.contiguous())
        return result.unflatten(1, heat.shape)  # C h*w -> C h w
