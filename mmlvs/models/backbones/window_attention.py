"""Self-attention in windows of space and time: the building block of image Swin and Video Swin.

One implementation serves both. Tokens are always (B, T, h, w, C); window and shift are triples (time, height, width)
and an image is the case T = 1 with a temporal window of 1.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from mmlvs.models.layers.blocks import by_tokens

Triple = tuple[int, int, int]

MASKED_LOGIT = -100.0
"""Added to the logit of two tokens that the cyclic shift has brought together from different ends of a map."""


def window_in_use(size: Triple, window: Triple, shift: Triple, *, shrink: bool) -> tuple[Triple, Triple]:
    """Window and shift that a map of ``size`` (T, h, w) gets.

    With ``shrink`` (Video Swin) an axis that fits into one window gets a window of its own length and no shift; without
    (image Swin) window and shift stay as configured and the map is padded.
    """
    if not shrink:
        return window, shift
    fits = [n <= w for n, w in zip(size, window, strict=True)]
    used = tuple(n if fit else w for n, w, fit in zip(size, window, fits, strict=True))
    moved = tuple(0 if fit else s for s, fit in zip(shift, fits, strict=True))
    return used, moved


def _kept(function: Callable[..., Tensor], most: int = 32) -> Callable[..., Tensor]:
    """Keep the ``most`` latest results of a function of hashable settings.

    Made outside inference mode, so that later training can use them; nothing is kept while a compiler or tracer runs.
    """
    results: OrderedDict[tuple, Tensor] = OrderedDict()

    @functools.wraps(function)
    def wrapper(*settings) -> Tensor:
        if torch.compiler.is_compiling():
            return function(*settings)
        value = results.get(settings)
        if value is None:
            with torch.inference_mode(False):
                value = function(*settings)
            if type(value) is Tensor:  # not a tracer's stand-in
                results[settings] = value
            if len(results) > most:
                results.popitem(last=False)
        return value

    wrapper.cache_clear = results.clear
    return wrapper


@_kept
def relative_position_index(window: Triple, num_tokens: int, device: torch.device,
                            shape: Triple | None = None) -> Tensor:
    """Rows of the relative position table for the first ``num_tokens`` tokens of a full ``window``.

    Token n of the window lies at (t, y, x), counted row-major. A window that was cut to a smaller map looks up the
    top-left block of the index of the full window. This is what released weights were trained with: the offsets are
    right if only time is cut, and no longer geometric if height or width is cut. With the ``shape`` of the cut window
    they are right in any case.

    Returns:
        Tensor: int64 (num_tokens * num_tokens,), row-major in (query, key).
    """
    axes = [torch.arange(n, device=device) for n in shape or window]
    place = torch.stack(torch.meshgrid(*axes, indexing='ij')).flatten(1)[:, :num_tokens]  # (3, N)
    offset = place[:, :, None] - place[:, None, :]  # (3, N, N), query minus key
    wt, wh, ww = window
    rows = (offset[0] + wt - 1) * (2 * wh - 1) + offset[1] + wh - 1
    rows = rows * (2 * ww - 1) + offset[2] + ww - 1
    return rows.flatten()  # (N, N) -> (N * N)


@_kept
def shift_mask(window: Triple, shift: Triple, last: tuple[bool, bool, bool], device: torch.device) -> Tensor:
    """Additive mask of one window of a shifted map.

    The three slices [0, -window), [-window, -shift), [-shift, end) of an axis cut only its last window, after
    ``window - shift`` tokens; so the mask depends on the axes along which the window is the ``last`` one, and on
    nothing else.

    Returns:
        Tensor: float32 (N, N), 0 inside a region and ``MASKED_LOGIT`` across regions.
    """
    region = torch.zeros(window, dtype=torch.long, device=device)
    for axis, (length, moved, is_last) in enumerate(zip(window, shift, last, strict=True)):
        if is_last and moved:
            behind = (torch.arange(length, device=device) >= length - moved).long()
            region = 2 * region + behind.view([-1 if i == axis else 1 for i in range(3)])
    region = region.flatten()  # (wt, wh, ww) -> (N,)
    return torch.where(region[:, None] == region[None, :], 0.0, MASKED_LOGIT).float()


def _groups(size: Triple, window: Triple, shift: Triple) -> Iterator[tuple[tuple[slice, ...], tuple[bool, bool, bool]]]:
    """Blocks of the grid of windows over a map that share one shift mask, and as far as possible their padding: (slices
    of the grid, which axes are at their end)."""
    choices = []
    for n, length, moved in zip(size, window, shift, strict=True):
        count = -(-n // length)
        if not moved and n % length == 0:
            choices.append([(slice(0, count), False)])
        elif count == 1:
            choices.append([(slice(0, 1), True)])
        else:
            choices.append([(slice(0, count - 1), False), (slice(count - 1, count), True)])
    for choice in itertools.product(*choices):
        slices, last = zip(*choice, strict=True)
        yield slices, last


def _tokens_of_groups(size: Triple, window: Triple, shift: Triple, device: torch.device) -> list[Tensor]:
    """Tokens of a map of ``size`` (T, h, w) in the windows of each group, (windows, N); -1 for padding."""
    tokens = torch.arange(math.prod(size), device=device).view(size)
    pad = [-n % length for n, length in zip(size, window, strict=True)]
    tokens = F.pad(tokens, (0, pad[2], 0, pad[1], 0, pad[0]), value=-1)
    tokens = torch.roll(tokens, [-s for s in shift], dims=(0, 1, 2))
    for axis, length in enumerate(window):
        tokens = tokens.unflatten(2 * axis, (-1, length))
    tokens = tokens.permute(0, 2, 4, 1, 3, 5).flatten(3)  # nt wt nh wh nw ww -> nt nh nw N
    return [tokens[place].flatten(0, 2) for place, _ in _groups(size, window, shift)]


def _of_all_maps(tokens: Tensor, batch: int, size: Triple) -> Tensor:
    """Tokens of one map (windows, n) among those of ``batch`` maps, (batch * windows * n,)."""
    start = torch.arange(batch, device=tokens.device)[:, None, None] * math.prod(size)
    return torch.where(tokens < 0, -1, tokens + start).flatten()


@_kept
def window_tokens(batch: int, size: Triple, window: Triple, shift: Triple, device: torch.device) -> Tensor:
    """Tokens of ``batch`` maps of ``size`` (T, h, w) in the order of their windows, padded at the ends and shifted.
    Windows of a group (see :func:`_groups`) follow each other, those of all maps together.

    Returns:
        Tensor: int64 (batch * nt * nh * nw * N,), index of a token among those of all maps; -1 for padding.
    """
    return torch.cat([_of_all_maps(tokens, batch, size) for tokens in _tokens_of_groups(size, window, shift, device)])


@_kept
def padding_rows(batch: int, size: Triple, window: Triple, shift: Triple, device: torch.device) -> Tensor:
    """Which entries of :func:`window_tokens` are padding, int64 (P,)."""
    tokens = window_tokens(batch, size, window, shift, device)
    return tokens.argsort(stable=True)[:len(tokens) - batch * math.prod(size)]


@functools.partial(_kept, most=256)  # up to eight groups for every layout
def group_queries(size: Triple, window: Triple, shift: Triple, group: int, device: torch.device) -> Tensor:
    """Tokens of a window that are no padding in every window of a group: nobody asks for what the others attend to.

    Returns:
        Tensor: int64 (at most N,), ascending.
    """
    place, _ = next(itertools.islice(_groups(size, window, shift), group, None))
    real = [[k for k in range(length)
             if any([(length * c + k + moved) % (length * -(-n // length)) < n for c in range(part.start, part.stop)])]
            for n, length, moved, part in zip(size, window, shift, place, strict=True)]  # tokens along each axis
    _, height, width = window
    asked = [(t * height + y) * width + x for t in real[0] for y in real[1] for x in real[2]]
    return torch.tensor(asked, device=device)


@_kept
def window_places(batch: int, size: Triple, window: Triple, shift: Triple, device: torch.device) -> Tensor:
    """The way back: where among the queries of all windows each token is, int64 (batch * T * h * w,)."""
    groups = _tokens_of_groups(size, window, shift, device)
    asked = [_of_all_maps(tokens[:, group_queries(size, window, shift, k, device)], batch, size)
             for k, tokens in enumerate(groups)]
    tokens, number = torch.cat(asked), batch * math.prod(size)
    places = tokens.new_empty(number + 1)  # padding goes to the last one
    return places.scatter_(0, tokens % (number + 1), torch.arange(len(tokens), device=device))[:number]


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a learned bias for every relative position (Swin, section 3.2).

    Args:
        channels: width C of the tokens.
        num_heads: attention heads; must divide ``channels``.
        window: configured window (wt, wh, ww); fixes the size of the table of relative positions.
        shrink: see :func:`window_in_use`.
        qkv_bias: whether the projection to query, key and value has a bias.
    """

    def __init__(self, *, channels: int, num_heads: int, window: Triple, shrink: bool, qkv_bias: bool = True) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'num_heads must divide the channels, found {num_heads} heads for {channels} channels')
        self.num_heads = num_heads
        self.window = window
        self.shrink = shrink
        self.true_offsets = False  # of windows cut in height or width; see relative_position_index
        rows = (2 * window[0] - 1) * (2 * window[1] - 1) * (2 * window[2] - 1)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, num_heads))
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.proj = nn.Linear(channels, channels)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, shift: Triple) -> Tensor:
        """Attend within windows.

        Padding needed to fill the last windows is zero **here**, after the norm, and is not masked: padded tokens are
        ordinary keys.

        Args:
            x: normalised tokens (B, T, h, w, C).
            shift: cyclic shift (t, h, w) in tokens.

        Returns:
            Tensor: (B, T, h, w, C).
        """
        batch, *size, channels = x.shape
        window, shift = window_in_use(tuple(size), self.window, shift, shrink=self.shrink)
        layout = (batch, tuple(size), window, shift, x.device)
        tokens, padding = window_tokens(*layout), padding_rows(*layout)
        y = x.flatten(0, 3)  # B t h w C -> B*t*h*w C
        # Much padding: its query, key and value are known without computing them, the bias.
        early = 4 * len(padding) >= len(tokens)
        if early:
            y = self.qkv(y)
        y = y.index_select(0, tokens.clamp(min=0) if len(padding) else tokens)  # (windows*N, C or 3*C)
        if len(padding):
            y[padding] = 0 if not early or self.qkv.bias is None else self.qkv.bias.to(y.dtype)
        y = self._attend(y if early else self.qkv(y), batch, tuple(size), window, shift)
        return self.proj(y.index_select(0, window_places(*layout))).view(x.shape)

    def _attend(self, x: Tensor, batch: int, size: Triple, window: Triple, shift: Triple) -> Tensor:
        """Attention within windows, (windows*N, 3*C) -> (queries, C), in groups of windows that share one mask. What
        is padding in all windows of a group is no query there."""
        tokens, channels = math.prod(window), x.shape[1] // 3
        # (windows*N, 3*C) -> 3 x (windows, heads, N, C/heads), the layout that fused attention takes
        q, k, v = x.view(-1, tokens, 3, self.num_heads, channels // self.num_heads).permute(2, 0, 3, 1, 4)
        bias = self._bias(tokens, q.dtype, window if self.true_offsets else None)
        results, start = [], 0
        for number, (place, last) in enumerate(_groups(size, window, shift)):
            group = slice(start, start + batch * math.prod([part.stop - part.start for part in place]))
            mask = bias + shift_mask(window, shift, last, x.device).to(bias.dtype) if any(last) else bias
            query, asked = q[group], group_queries(size, window, shift, number, x.device)
            if len(asked) < tokens:
                query, mask = query.index_select(2, asked), mask.index_select(2, asked)
            found = F.scaled_dot_product_attention(query, k[group], v[group], attn_mask=mask)
            results.append(found.transpose(1, 2).reshape(-1, channels))  # (n, heads, Q, d) -> (n*Q, C)
            start = group.stop
        return torch.cat(results) if len(results) > 1 else results[0]

    def _bias(self, tokens: int, dtype: torch.dtype, shape: Triple | None = None) -> Tensor:
        """Bias of every pair of tokens, (1, heads, N, N)."""
        index = relative_position_index(self.window, tokens, self.relative_position_bias_table.device, shape)
        bias = self.relative_position_bias_table.t().index_select(1, index)  # (heads, N * N)
        return bias.view(1, self.num_heads, tokens, tokens).to(dtype)


class Mlp(nn.Module):
    """Two linear layers with exact GELU between them, (..., C) -> (..., C)."""

    def __init__(self, *, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class WindowBlock(nn.Module):
    """Pre-norm transformer block on (B, T, h, w, C): windowed attention, then MLP, each with a residual.

    Args:
        channels: width C.
        num_heads: attention heads.
        window: configured window (wt, wh, ww).
        shift: shift of this block (zeros in the even blocks of a stage).
        shrink: see :func:`window_in_use`.
        mlp_ratio: hidden width of the MLP divided by C.
        qkv_bias: bias of the projection to query, key and value.
        drop_path: probability that a sample skips a branch in training.
    """

    def __init__(
        self,
        *,
        channels: int,
        num_heads: int,
        window: Triple,
        shift: Triple,
        shrink: bool,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.shift = shift
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(
            channels=channels, num_heads=num_heads, window=window, shrink=shrink, qkv_bias=qkv_bias)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels=channels, hidden=int(channels * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x), self.shift))
        return x + self.drop_path(by_tokens(lambda tokens: self.mlp(self.norm2(tokens)), x, axis=2))


class PatchEmbedding(nn.Module):
    """Cut every frame into square patches and project them, (B, T, 3, H, W) -> (B, T, h, w, C), h = ceil(H / patch).

    The frame is zero-padded at right and bottom to whole patches.
    """

    def __init__(self, *, in_channels: int, channels: int, patch_size: int, norm: bool = True) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(in_channels, channels, patch_size, stride=patch_size)
        self.norm = nn.LayerNorm(channels) if norm else nn.Identity()

    def forward(self, frames: Tensor) -> Tensor:
        batch, time = frames.shape[:2]
        x = frames.flatten(0, 1)  # (B, T, 3, H, W) -> (B*T, 3, H, W)
        x = F.pad(x, (0, -x.shape[3] % self.patch_size, 0, -x.shape[2] % self.patch_size))
        x = self.proj(x)
        x = x.permute(0, 2, 3, 1)  # (B*T, C, h, w) -> (B*T, h, w, C)
        return self.norm(x.unflatten(0, (batch, time)))


class PatchMerging(nn.Module):
    """Halve height and width of every frame, (B, T, h, w, C) -> (B, T, ceil(h / 2), ceil(w / 2), 2C).

    The four phases are concatenated as (row, column) = (even, even), (odd, even), (even, odd), (odd, odd).
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, 0, x.shape[3] % 2, 0, x.shape[2] % 2))
        phases = [x[:, :, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(phases, dim=-1)))
