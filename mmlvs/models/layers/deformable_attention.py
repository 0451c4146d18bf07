"""Multi-scale deformable attention (Zhu et al., Deformable DETR, ICLR 2021, section 4.1)."""

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.layers.blocks import by_tokens, may_rearrange

Shapes = Sequence[tuple[int, int]]
KERNEL_BATCH = 64  # the compiled kernel takes at most this many samples, or a multiple of it


def sample_and_weight(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Bilinear samples of every level, weighted and summed; pure PyTorch.

    Args:
        value: (N, S, heads, d), levels one after another, S = sum of h * w.
        shapes: (h, w) of every level.
        locations: (N, Q, heads, levels, points, 2) x, y in 0..1 of a level; zeros lie outside.
        weights: (N, Q, heads, levels, points).

    Returns:
        (N, Q, heads * d).
    """
    return _sample_maps(_level_maps(value, shapes), locations, weights)


def _level_maps(value: Tensor, shapes: Shapes) -> list[Tensor]:
    """Values (N, S, heads, d) as maps (N*heads, d, h, w) of every level, at least in float32."""
    (value, ) = _full_precision(value)
    n, _, heads, d = value.shape
    maps = value.permute(0, 2, 3, 1).reshape(n * heads, d, -1)  # N S heads d -> N*heads d S
    return [level.reshape(n * heads, d, h, w)  # N*heads d h*w -> N*heads d h w
            for (h, w), level in zip(shapes, maps.split([h * w for h, w in shapes], dim=2), strict=True)]


def _sample_maps(maps: Sequence[Tensor], locations: Tensor, weights: Tensor) -> Tensor:
    """As :func:`sample_and_weight`, from the maps of :func:`_level_maps`."""
    _, locations, weights = _full_precision(maps[0], locations, weights)
    n, queries, heads, _, points = weights.shape
    channels = maps[0].shape[1]  # d
    # queries last: sums over the few points then run along memory
    grids = (2 * locations - 1).permute(3, 0, 2, 4, 1, 5).flatten(1, 2)  # N Q heads l p 2 -> l N*heads p Q 2
    weights = weights.permute(3, 0, 2, 4, 1).reshape(-1, n * heads, 1, points, queries)  # -> l N*heads 1 p Q
    total = maps[0].new_zeros((n * heads, channels, queries))
    for level, grid, weight in zip(maps, grids, weights, strict=True):
        sampled = F.grid_sample(level, grid, mode='bilinear', padding_mode='zeros', align_corners=False)
        total = total + (sampled * weight).sum(dim=2)  # N*heads d p Q -> N*heads d Q
    return total.reshape(n, heads * channels, queries).transpose(1, 2)  # N*heads d Q -> N Q heads*d


class LookUp:
    """Bilinear samples as weighted sums of the rows of a table, for a CPU and without gradient: no sample is ever
    stored, and values stay where the projection has put them.

    A row of the table is one head of one cell. Zeros surround the maps: a column after every line, a line before and
    after every map; so points outside need no case of their own.

    Args:
        value: (N, S, heads, d), levels one after another.
        shapes: (h, w) of every level.
        points: sampled points P of each head and level; K = heads * levels * P below.
    """

    def __init__(self, value: Tensor, shapes: Shapes, points: int) -> None:
        (value, ) = _full_precision(value)
        n, _, self.heads, d = value.shape
        starts, end = [], 1  # one cell stands before the first line
        for h, w in shapes:
            starts.append(end + w + 1)
            end += (h + 2) * (w + 1)
        cells = end + shapes[-1][1] + 2  # right and below of the last cell of zeros
        table = value.new_zeros(n, cells, self.heads * d)
        for start, (h, w), level in zip(starts, shapes, value.flatten(2).split([h * w for h, w in shapes], 1),
                                        strict=True):
            lines = table[:, start:start + h * (w + 1)].unflatten(1, (h, w + 1))  # N h w+1 heads*d
            lines[:, :, :w] = level.unflatten(1, (h, w))  # N h*w heads*d -> N h w heads*d
        self.table = table.view(-1, d)  # N cells heads*d -> N*cells*heads d
        self.index_type = torch.int32 if len(self.table) < 2**31 else torch.int64

        def spread(numbers: Sequence[int], dtype: torch.dtype) -> Tensor:  # a number a level -> K
            return torch.tensor(numbers, dtype=dtype).view(1, -1, 1).expand(self.heads, -1, points).flatten()

        self.far = torch.stack([spread(side, value.dtype) for side in ([w for _, w in shapes], [h for h, _ in shapes])])
        self.line = spread([(w + 1) * self.heads for _, w in shapes], self.index_type)  # rows of a line
        head = torch.arange(self.heads).repeat_interleave(len(shapes) * points)
        self.origin = spread([start * self.heads for start in starts], self.index_type) + head.to(self.index_type)
        self.frames = torch.arange(n, dtype=self.index_type)[:, None] * (cells * self.heads)  # N 1, first row of each

    def __call__(self, pixels: Tensor, weights: Tensor, frames: Tensor) -> Tensor:
        """Weighted sums of samples.

        Args:
            pixels: (R, 2, K) x, y in cells of a level; whole numbers are centres of cells.
            weights: (R, K).
            frames: (R, 1) from ``frames``.

        Returns:
            (R, heads * d).
        """
        pixels = torch.minimum(pixels, self.far).clamp_(min=-1)  # cells of zeros are as good as any farther away
        low = pixels.floor()
        far_share = pixels.sub_(low)
        near_share = 1 - far_share
        low = low.to(self.index_type).clamp_(min=-1)  # also NaN becomes a place; its share remains NaN
        corner = (low[:, 1] * self.line).add_(low[:, 0], alpha=self.heads).add_(self.origin).add_(frames)
        total = None
        for share, below in ((near_share, 0), (far_share, self.line)):
            line, weight = corner + below, share[:, 1] * weights  # R K
            for x_share, right in ((near_share, 0), (far_share, self.heads)):
                part = F.embedding_bag((line + right).view(len(line) * self.heads, -1), self.table, mode='sum',
                                       per_sample_weights=(weight * x_share[:, 0]).view(len(line) * self.heads, -1))
                total = part if total is None else total.add_(part)  # R*heads d
        return total.view(len(weights), -1)


def level_sizes(shapes: Shapes, like: Tensor) -> Tensor:
    """Width and height of every level, (levels, 2), in the type and on the device of ``like``."""
    return torch.stack([like.new_full((), side) for h, w in shapes for side in (w, h)]).view(-1, 2)


@cache
def compiled_kernel() -> Callable | None:
    """mmcv's CUDA operator; None where mmcv was built without its compiled operators, or with those of CPUs alone."""
    try:
        from mmcv.ops import get_compiling_cuda_version
        from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
    except ImportError:
        return None
    return None if get_compiling_cuda_version() == 'not available' else MultiScaleDeformableAttnFunction.apply


def _sample_compiled(kernel: Callable, value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    sizes = torch.as_tensor(shapes, dtype=torch.long, device=value.device)  # levels 2
    starts = torch.cat([sizes.new_zeros(1), sizes.prod(dim=1).cumsum(0)[:-1]])  # levels
    tensors = _full_precision(value, locations, weights)
    parts = zip(*(x.contiguous().split(KERNEL_BATCH) for x in tensors), strict=True)
    return torch.cat([kernel(v, sizes, starts, x, w, KERNEL_BATCH) for v, x, w in parts])


def _full_precision(value: Tensor, *others: Tensor) -> list[Tensor]:
    """All in the type of the value, at least float32: half-precision locations would be pixels off."""
    kind = torch.promote_types(value.dtype, torch.float32)
    return [x.to(kind) for x in (value, *others)]


class DeformableAttention(nn.Module):
    """Every query reads a few points around its reference on every level.

    Uses mmcv's kernel when it is compiled and the tensors lie on a GPU, else the pure form.

    Args:
        channels: width C of queries and values.
        num_heads: attention heads.
        num_levels: levels of the value.
        num_points: sampled points of each head and level.
    """

    def __init__(self, *, channels: int = 256, num_heads: int = 8, num_levels: int = 4, num_points: int = 4) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'DeformableAttention: channels {channels} is not a multiple of num_heads {num_heads}')
        self.num_heads, self.num_levels, self.num_points = num_heads, num_levels, num_points
        self.sampling_offsets = nn.Linear(channels, num_heads * num_levels * num_points * 2)
        self.attention_weights = nn.Linear(channels, num_heads * num_levels * num_points)
        self.value_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Offsets start as a ring of directions, one a head, with radius point + 1; weights start equal."""
        angles = torch.arange(self.num_heads, device='cpu') * (2 * math.pi / self.num_heads)
        ring = torch.stack([angles.cos(), angles.sin()], dim=-1)  # heads 2
        ring = ring / ring.abs().amax(dim=-1, keepdim=True)
        radius = torch.arange(1, self.num_points + 1, device='cpu')[:, None]  # points 1
        bias = (ring[:, None, None] * radius).expand(-1, self.num_levels, -1, -1)  # heads levels points 2
        nn.init.zeros_(self.sampling_offsets.weight)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(bias.flatten())
        for parameter in self.attention_weights.parameters():
            nn.init.zeros_(parameter)
        for projection in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def locate(self, query: Tensor, references: Tensor, shapes: Shapes) -> tuple[Tensor, Tensor]:
        """Where every query looks, and how strongly.

        Args:
            query: (N, Q, C).
            references: (N, Q, levels, 2) points x, y or (N, Q, levels, 4) boxes cx, cy, w, h, in 0..1 of a level.
            shapes: (h, w) of every level.

        Returns:
            Locations (N, Q, heads, levels, points, 2) x, y in 0..1 and weights (N, Q, heads, levels, points), which sum
            to 1 over levels and points.
        """
        n, queries, _ = query.shape
        heads, levels, points = self.num_heads, self.num_levels, self.num_points
        offsets = self.sampling_offsets(query).view(n, queries, heads, levels, points, 2)
        weights = self.attention_weights(query).view(n, queries, heads, levels * points).softmax(dim=-1)
        weights = weights.view(n, queries, heads, levels, points)
        centres = references[:, :, None, :, None, :2]  # N Q levels . -> N Q 1 levels 1 2
        if references.shape[-1] == 2:
            return centres + offsets / level_sizes(shapes, offsets)[:, None], weights
        return centres + offsets / points * references[:, :, None, :, None, 2:] * 0.5, weights

    def locate_rows(self, query: Tensor, references: Tensor, shapes: Shapes) -> tuple[Tensor, Tensor]:
        """As :meth:`locate`, for queries of any frames one after another, in cells of the levels.

        Args:
            query: (R, C).
            references: (R, levels, 2 or 4).
            shapes: (h, w) of every level.

        Returns:
            Places (R, 2, K) x, y, 0 in the centre of the first cell, and weights (R, K); K = heads * levels * points.
        """
        heads, levels, points = self.num_heads, self.num_levels, self.num_points
        weight, bias = (x.unflatten(0, (-1, 2)).transpose(0, 1).flatten(0, 1)  # K*2 . -> K 2 . -> 2*K .: first all x
                        for x in (self.sampling_offsets.weight, self.sampling_offsets.bias))
        offsets = F.linear(query, weight, bias).view(-1, 2, heads, levels, points)
        weights = self.attention_weights(query).view(-1, heads, levels * points).softmax(dim=-1)
        offsets, weights, references = _full_precision(offsets, weights, references)
        sizes = level_sizes(shapes, references)  # levels 2
        centres = (references[..., :2] * sizes - 0.5).transpose(1, 2)  # R levels 2 -> R 2 levels
        if references.shape[-1] == 4:
            extent = references[..., 2:] * sizes * (0.5 / points)
            offsets = offsets * extent.transpose(1, 2)[:, :, None, :, None]  # R levels 2 -> R 2 1 levels 1
        return (centres[:, :, None, :, None] + offsets).flatten(2), weights.flatten(1)

    def forward(self, query: Tensor, references: Tensor, source: Tensor, shapes: Shapes,
                padding: Tensor | None = None) -> Tensor:
        """Attend; gives the projected result without residual.

        Args:
            query: (N, Q, C), with position added.
            references: (N, Q, levels, 2 or 4), see :meth:`locate`.
            source: (N, S, C), levels one after another, S = sum of h * w.
            shapes: (h, w) of every level.
            padding: (N, S) bool, True = padding, whose value is taken as zero.

        Returns:
            (N, Q, C).

        Raises:
            ValueError: shapes do not fit the source, or references have another width.
        """
        if references.shape[-1] not in (2, 4):
            raise ValueError(f'references must have 2 (points) or 4 (boxes) numbers, found {references.shape[-1]}')
        if len(shapes) != self.num_levels or sum(h * w for h, w in shapes) != source.shape[1]:
            raise ValueError(f'level shapes {list(shapes)} do not describe a source of {source.shape[1]} tokens in '
                             f'{self.num_levels} levels')
        value = self.value_proj(source)  # N S C
        if padding is not None:
            value = value.masked_fill(padding[..., None], 0)
        value = value.view(*value.shape[:2], self.num_heads, -1)  # N S C -> N S heads d
        if may_rearrange(value.device) and len(value):
            return self._read_rows(query, references, value, shapes)
        kernel = compiled_kernel() if value.is_cuda and not torch.compiler.is_compiling() else None
        if kernel is None or len(value) == 0:
            sample = partial(_sample_maps, _level_maps(value, shapes))
        else:
            sample = partial(_sample_compiled, kernel, value, shapes)

        def read(query: Tensor, references: Tensor) -> Tensor:
            return self.output_proj(sample(*self.locate(query, references, shapes)).to(value.dtype))

        return by_tokens(read, query, references)

    def _read_rows(self, query: Tensor, references: Tensor, value: Tensor, shapes: Shapes) -> Tensor:
        """Read by a :class:`LookUp`: rows of all frames one after another, in blocks."""
        table = LookUp(value, shapes, self.num_points)

        def read(query: Tensor, references: Tensor, frames: Tensor) -> Tensor:
            return self.output_proj(table(*self.locate_rows(query, references, shapes), frames).to(value.dtype))

        frames = table.frames.repeat_interleave(query.shape[1], dim=0)  # N 1 -> N*Q 1
        out = by_tokens(read, query.flatten(0, 1), references.flatten(0, 1), frames, axis=0)  # N Q . -> N*Q .
        return out.unflatten(0, query.shape[:2])
