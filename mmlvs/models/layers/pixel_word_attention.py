"""Pixel-word attention modules (PWAM) of LAVT: every visual position gathers a sentence vector of its own from the
words and is multiplied with it (Yang et al., CVPR 2022, section 3.2; with convolutions over time: TPAMI 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.layers.clip_convolution import (
    POINT,
    ClipConvolution,
    ClipNorm,
    ClipProjection,
    ConvolutionUnit,
    Kernel,
    ProjectionPlan,
    WordMixture,
)
from mmlvs.registry import MODELS

MASKED_WORD = -1e4
"""Added to the logits of padding, whose keys and values are zero besides."""

KERNELS: dict[str, Kernel] = dict(temporal=(3, 1, 1), spatial=(1, 1, 1), inner=(1, 3, 3))
VARIANTS = ('image', 'temporal', 'temporal_all', 'separable', 'separable_query', 'sequential', 'sequential_parallel',
            'sequential_parallel_query')
OUTPUTS = ('point', 'temporal', 'frame', 'separable')
GATES = ('temporal_visual', 'spatial_visual', 'temporal_query', 'spatial_query')


def output_plan(kind: str, temporal: Kernel) -> ProjectionPlan:
    """Projection of attended words or of the product: ``'point'`` one cell, ``'temporal'`` the temporal kernel,
    ``'frame'`` 1 x 3 x 3, ``'separable'`` the temporal kernel and one cell side by side."""
    if kind not in OUTPUTS:
        raise ValueError(f'PixelWordAttention: projection {kind!r}, expected one of {OUTPUTS}')
    branches = dict(point=((POINT, ), ), temporal=((temporal, ), ), frame=(((1, 3, 3), ), ),
                    separable=((temporal, ), (POINT, )))
    return ProjectionPlan(branches[kind])


def input_plans(variant: str, kernels: Mapping[str, Kernel], *, residual: bool = False, gates: Sequence[str] = (),
                reduce: Mapping | None = None) -> tuple[ProjectionPlan, ProjectionPlan]:
    """Projections of the visual input and of the query; see :class:`PixelWordAttention`."""
    if variant not in VARIANTS:
        raise ValueError(f'PixelWordAttention: variant {variant!r}, expected one of {VARIANTS}')
    if unknown := sorted(set(gates) - set(GATES)):
        raise ValueError(f'PixelWordAttention: gates {unknown}, expected some of {GATES}')
    if (gates or reduce) and variant != 'separable':
        raise ValueError(f"PixelWordAttention: gates and reduce are for variant 'separable', not {variant!r}")
    t, s, inner = (tuple(kernels[name]) for name in ('temporal', 'spatial', 'inner'))
    if variant == 'separable':
        reduce = dict(reduce or {})
        joined = dict(reduce=reduce.pop('by', 'sum'), reduce_kernel=reduce.pop('kernel', None))
        if reduce:
            raise ValueError(f"PixelWordAttention: reduce takes 'by' and 'kernel', found also {sorted(reduce)}")
        return tuple(ProjectionPlan(((t, ), (s, )), gated=(f'temporal_{of}' in gates, f'spatial_{of}' in gates),
                                    **joined) for of in ('visual', 'query'))
    plans = dict(
        image=ProjectionPlan(), temporal=ProjectionPlan(((t, ), )), temporal_all=ProjectionPlan(((t, ), )),
        separable_query=ProjectionPlan(((t, ), (s, ))), sequential=ProjectionPlan(((s, t), ), residual=residual),
        sequential_parallel=ProjectionPlan(((inner, t), (s, )), residual=residual),
        sequential_parallel_query=ProjectionPlan(((inner, t), (s, )), residual=residual))
    query = plans[variant]
    return ProjectionPlan(((s, ), )) if variant.endswith('_query') else query, query


@MODELS.register_module()
class PixelWordAttention(nn.Module):
    """PWAM: ``fused(visual(x) * attended(softmax(query(x) key(words)) value(words)))``, (R, T, h, w, C) -> the same.

    ``visual`` and ``fused`` end in GELU, ``query`` and ``attended`` in a norm over all frames of a clip: with an
    instance norm a frame's result depends on the frames it is given with. The scale is C ** -0.5 for any number of
    heads.

    Variants: ``'image'`` looks at single cells. ``'temporal'`` uses the temporal kernel for visual and query,
    ``'temporal_all'`` for all four. ``'separable'`` adds a temporal and a spatial branch, ``'separable_query'`` for the
    query alone. ``'sequential'`` puts the temporal kernel behind the spatial one; ``'sequential_parallel'`` behind the
    inner one, with the spatial kernel beside both, ``'sequential_parallel_query'`` for the query alone. LAVT-Video was
    released with ``variant='separable', kernels=dict(temporal=(3, 3, 3)), attended='separable', fused='separable'``.

    Args:
        channels: C of the visual input.
        text_channels: C of the words.
        num_heads: attention heads.
        dropout: after ``visual`` and after ``fused``.
        norm: ``'instance'``, ``'batch'``, ``'layer'`` or ``'none'``.
        variant: see above.
        kernels: ``temporal``, ``spatial`` and ``inner`` kernels (frames, rows, columns); defaults in ``KERNELS``.
        attended, fused: ``'point'`` (one cell), ``'temporal'`` (the temporal kernel), ``'frame'`` (1 x 3 x 3) or
            ``'separable'`` (the temporal kernel and one cell, added).
        residual: chains of the sequential variants add their inner result.
        gates: branches of the separable variant that are gated, see ``GATES``.
        reduce: further convolution of the joined branches of the separable variant,
            ``dict(by='sum' | 'concat', kernel=...)``.

    Raises:
        ValueError: unknown or contradictory settings.
    """

    def __init__(self, *, channels: int, text_channels: int = 768, num_heads: int = 1, dropout: float = 0.0,
                 norm: str = 'instance', variant: str = 'image', kernels: Mapping[str, Kernel] | None = None,
                 attended: str = 'point', fused: str = 'point', residual: bool = False, gates: Sequence[str] = (),
                 reduce: Mapping | None = None) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'PixelWordAttention: {num_heads} heads do not divide {channels} channels')
        if unknown := sorted(set(kernels or {}) - set(KERNELS)):
            raise ValueError(f'PixelWordAttention: kernels {unknown}, expected some of {sorted(KERNELS)}')
        kernels = {**KERNELS, **(kernels or {})}
        visual_plan, query_plan = input_plans(variant, kernels, residual=residual, gates=gates, reduce=reduce)
        if variant == 'temporal_all':
            attended = fused = 'temporal'
        t = tuple(kernels['temporal'])
        self.num_heads, self.scale = num_heads, channels**-0.5
        self.visual = ClipProjection(channels=channels, plan=visual_plan)
        self.query = ClipProjection(channels=channels, plan=query_plan, norm=norm)
        self.key = nn.Linear(text_channels, channels)
        self.value = nn.Linear(text_channels, channels)
        self.attended = ClipProjection(channels=channels, plan=output_plan(attended, t), norm=norm)
        self.fused = ClipProjection(channels=channels, plan=output_plan(fused, t))
        self.dropout = nn.Dropout(dropout)
        # What all words share makes no choice among them, and what all positions share does not pass the norm.
        self.centred = norm == 'instance'

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """Fuse a clip with words.

        Args:
            x: (R, T, h, w, C); R is a multiple of E: consecutive rows that share an expression (frames as rows).
            words: (E, L, C_text).
            mask: (E, L) bool, True = word.

        Returns:
            Tensor: (R, T, h, w, C).
        """
        visual = self.dropout(self.visual(x))
        language = self.attended(self.gather(self.query(x), words, mask))
        return self.dropout(self.fused(visual * language))

    def gather(self, query: Tensor, words: Tensor, mask: Tensor) -> WordMixture:
        """Sentence vector of every position, (R, T, h, w, C), as a mixture of values of the words. Where an instance
        norm follows, less one that all positions of a row share, which is then what zeros outside of the clip are."""
        real, border = mask[..., None].to(words.dtype), None  # E L 1
        value = self.value(words) * real  # masked after the projection, its bias too
        if self.centred:  # before rounding hides what words differ by
            counts = real.sum(dim=1, keepdim=True).clamp(min=1)  # E 1 1
            words = words - (words * real).sum(dim=1, keepdim=True) / counts
            shared = value.sum(dim=1, keepdim=True) / counts  # E 1 C
            value, border = (value - shared) * real, -shared[:, 0].to(query.dtype)
        key = self.key(words) * real
        number, length, channels = value.shape
        heads, size = self.num_heads, query.shape[:-1]
        # R T h w C -> E heads S C/heads with the positions of all rows of an expression; E L C -> E heads L C/heads
        q, k = (y.reshape(number, -1, heads, channels // heads).transpose(1, 2) for y in (query, key))
        bias = ((mask.to(q.dtype) - 1) * -MASKED_WORD)[:, None, None]  # E L -> E 1 1 L
        weights = (q @ k.transpose(2, 3) * self.scale + bias).softmax(dim=-1).to(query.dtype)  # E heads S L
        weights = weights.transpose(1, 2).reshape(*size, heads * length)  # R T h w heads*L
        # a head's values are zero in the channels of others: E L C -> E heads*L C
        own = torch.eye(heads, dtype=value.dtype, device=value.device).repeat_interleave(channels // heads, dim=1)
        vectors = (value[:, None] * own[:, None]).flatten(1, 2).to(query.dtype)
        return WordMixture(weights, vectors, border)


@MODELS.register_module()
class PairedPixelWordAttention(nn.Module):
    """Two pixel-word attentions side by side, one of single cells and one over time (LAVT-Video's variant ``ts``).

    Args:
        channels, text_channels, num_heads, dropout: as for :class:`PixelWordAttention`.
        kernel: temporal kernel (frames, rows, columns).
        attended, fused: of the temporal one; ``'point'`` or ``'temporal'``.
        reduce: ``'linear'`` of both with GELU, ``'frame'`` the same with a 1 x 3 x 3 convolution, or ``'sum'``.
    """

    def __init__(self, *, channels: int, text_channels: int = 768, num_heads: int = 1, dropout: float = 0.0,
                 kernel: Kernel = (3, 1, 1), attended: str = 'point', fused: str = 'point',
                 reduce: str = 'linear') -> None:
        super().__init__()
        kernels = dict(linear=POINT, frame=(1, 3, 3), sum=None)
        if reduce not in kernels:
            raise ValueError(f'PairedPixelWordAttention: reduce {reduce!r}, expected one of {tuple(kernels)}')
        same = dict(channels=channels, text_channels=text_channels, num_heads=num_heads, dropout=dropout)
        self.spatial = PixelWordAttention(**same)
        self.temporal = PixelWordAttention(**same, variant='temporal', kernels=dict(temporal=kernel), attended=attended,
                                           fused=fused)
        self.reduce = None if reduce == 'sum' else ConvolutionUnit(
            in_channels=2 * channels, out_channels=channels, kernel=kernels[reduce], norm=None)

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """As :meth:`PixelWordAttention.forward`."""
        spatial, temporal = self.spatial(x, words, mask), self.temporal(x, words, mask)
        return spatial + temporal if self.reduce is None else self.reduce(torch.cat([spatial, temporal], dim=-1))


# ------------------------------------------------------------ what LAVT was compared with


def mean_word(words: Tensor, mask: Tensor) -> Tensor:
    """Mean of the real words, (E, L, C), (E, L) -> (E, C)."""
    real = mask[..., None].to(words.dtype)
    return (words * real).sum(dim=1) / real.sum(dim=1)


def for_rows(sentence: Tensor, x: Tensor) -> Tensor:
    """Sentence vectors (E, C) for the positions of R rows (R, T, h, w, .): (R, 1, 1, 1, C); R is a multiple of E."""
    return sentence.repeat_interleave(len(x) // len(sentence), dim=0)[:, None, None, None]


class SentenceVector(nn.Sequential):
    """Mean word, then linear, ReLU, linear: (E, L, C_text), (E, L) -> (E, C)."""

    def __init__(self, *, text_channels: int, channels: int) -> None:
        super().__init__(nn.Linear(text_channels, channels), nn.ReLU(), nn.Linear(channels, channels))

    def forward(self, words: Tensor, mask: Tensor) -> Tensor:
        return super().forward(mean_word(words, mask))


@MODELS.register_module()
class SentenceProduct(nn.Module):
    """PWAM without attention: every position is multiplied with the same sentence vector.

    Args:
        channels, text_channels, dropout: as for :class:`PixelWordAttention`.
    """

    def __init__(self, *, channels: int, text_channels: int = 768, dropout: float = 0.0) -> None:
        super().__init__()
        self.visual = ClipProjection(channels=channels, plan=ProjectionPlan())
        self.sentence = SentenceVector(text_channels=text_channels, channels=channels)
        self.fused = ClipProjection(channels=channels, plan=ProjectionPlan())
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """As :meth:`PixelWordAttention.forward`."""
        language = for_rows(self.sentence(words, mask), x)
        return self.dropout(self.fused(self.dropout(self.visual(x)) * language))


@MODELS.register_module()
class CollectDiffuse(nn.Module):
    """Global attentive collection and diffusion (GACD): the sentence asks all positions of a clip for one vector, and
    gives it back where it belongs.

    Args:
        channels, text_channels: as for :class:`PixelWordAttention`.
    """

    def __init__(self, *, channels: int, text_channels: int = 768) -> None:
        super().__init__()
        self.sentence = SentenceVector(text_channels=text_channels, channels=channels)
        self.fuse = nn.Linear(channels, channels)
        self.query, self.collect_key, self.diffuse_key, self.value = (nn.Linear(channels, channels) for _ in range(4))

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """As :meth:`PixelWordAttention.forward`."""
        sentence = for_rows(self.sentence(words, mask), x)  # R 1 1 1 C
        y = F.relu(self.fuse(x * sentence))
        flat = y.flatten(1, 3)  # R T h w C -> R S C
        query = self.query(sentence).flatten(1, 3) * x.shape[-1]**-0.5  # R 1 C
        collect = (query @ self.collect_key(flat).transpose(1, 2)).softmax(dim=-1)  # R 1 S
        diffuse = (self.diffuse_key(flat) @ query.transpose(1, 2)).sigmoid()  # R S 1
        return (flat + diffuse * (collect @ self.value(flat))).view(y.shape)  # R S C -> R T h w C


@MODELS.register_module()
class CoAttention(nn.Module):
    """Encoder fusion with co-attention (EFN): positions and their sentence vectors attend to each other.

    Maps of more than ``max_positions`` are halved before, and brought back after it. The last convolution runs along
    the flattened positions, as in the form that LAVT was compared with.

    Args:
        channels, text_channels: as for :class:`PixelWordAttention`.
        max_positions: positions of a map that is not halved.
    """

    def __init__(self, *, channels: int, text_channels: int = 768, max_positions: int = 225) -> None:
        super().__init__()
        self.max_positions = max_positions
        self.sentence_fuse = ClipConvolution(in_channels=channels + text_channels, out_channels=channels)
        self.words = nn.Linear(text_channels, channels)
        self.visual = ConvolutionUnit(in_channels=channels, out_channels=channels, kernel=POINT, norm='instance')
        self.language = ConvolutionUnit(in_channels=channels, out_channels=channels, kernel=POINT, norm='instance')
        self.join = nn.Conv1d(2 * channels, channels, 3, padding=1)
        self.norm = ClipNorm(channels=channels)

    def forward(self, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """As :meth:`PixelWordAttention.forward`, with T = 1."""
        rows, _, height, width, channels = x.shape
        sentence = for_rows(mean_word(words, mask), x).expand(*x.shape[:-1], -1)
        visual = F.gelu(self.sentence_fuse(torch.cat([x, sentence], dim=-1)))  # R 1 h w C
        real = mask[..., None].to(words.dtype)
        read = F.gelu(self.words(words)) * real  # E L C
        read = read.repeat_interleave(rows // len(words), dim=0)  # R L C
        bias = ((mask.to(x.dtype) - 1) * -MASKED_WORD).repeat_interleave(rows // len(words), dim=0)[:, None]  # R 1 L
        scale = channels**-0.5
        weights = (visual.flatten(1, 3) @ read.transpose(1, 2) * scale + bias).softmax(dim=-1)  # R S L
        language = (weights @ read).view(visual.shape)
        visual, language = self.visual(visual), self.language(language)
        halved = height * width > self.max_positions
        if halved:
            visual, language = (_halve(y) for y in (visual, language))
        shape = visual.shape
        visual, language = visual.flatten(1, 3), language.flatten(1, 3)  # R 1 h w C -> R S C
        scores = scale * visual @ language.transpose(1, 2)  # R S S
        by_row, by_column = scores.softmax(dim=2) @ language, scores.softmax(dim=1).transpose(1, 2) @ visual
        joined = torch.cat([by_row, by_column], dim=-1).transpose(1, 2)  # R S 2C -> R 2C S
        out = self.norm(self.join(joined).transpose(1, 2).reshape(shape))  # R C S -> R 1 h w C
        if not halved:
            return out
        out = out.squeeze(1).permute(0, 3, 1, 2)  # R 1 h w C -> R C h w
        out = F.interpolate(out, size=(height, width), mode='bilinear', align_corners=False)
        return out.permute(0, 2, 3, 1).unsqueeze(1)  # R C h w -> R 1 h w C


def _halve(x: Tensor) -> Tensor:
    """Mean of 2 x 2 cells, (R, 1, h, w, C)."""
    x = F.avg_pool2d(x.squeeze(1).permute(0, 3, 1, 2), 2)  # R 1 h w C -> R C h w
    return x.permute(0, 2, 3, 1).unsqueeze(1)  # R C h w -> R 1 h w C
