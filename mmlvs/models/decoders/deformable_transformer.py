"""Deformable transformer on the frames of clips (Zhu et al., Deformable DETR, ICLR 2021; ReferFormer, section 3.2).

Every frame is a sample of its own: N = rows * frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmlvs.models.layers.blocks import by_tokens, frame_blocks
from mmlvs.models.layers.deformable_attention import DeformableAttention, level_sizes
from mmlvs.models.layers.recompute import run_layer
from mmlvs.registry import MODELS
from mmlvs.utils import tap


@dataclass
class LevelTokens:
    """Maps of several levels as one sequence; S = sum of h * w.

    Attributes:
        tokens: (N, S, C).
        position: (N, S, C).
        padding: (N, S) bool, True = padding; None where nothing is padded.
        shapes: (h, w) of every level.
        valid_ratios: (N, levels, 2) valid part of the width and of the height, float32.
    """

    tokens: Tensor
    position: Tensor
    padding: Tensor | None
    shapes: list[tuple[int, int]]
    valid_ratios: Tensor

    def __getitem__(self, rows: slice) -> 'LevelTokens':
        """The samples of a slice."""
        padding = None if self.padding is None else self.padding[rows]
        return LevelTokens(tokens=self.tokens[rows], position=self.position[rows], padding=padding, shapes=self.shapes,
                           valid_ratios=self.valid_ratios[rows])

    def maps(self, tokens: Tensor) -> list[Tensor]:
        """Cut (N, S, C) into (N, C, h, w) of every level."""
        parts = tokens.split([h * w for h, w in self.shapes], dim=1)
        return [part.transpose(1, 2).unflatten(2, shape)  # N h*w C -> N C h w
                for part, shape in zip(parts, self.shapes, strict=True)]


@dataclass
class DecoderOutput:
    """What the decoder gives for its layers.

    Attributes:
        states: (layers, N, q, C).
        initial_reference: (N, q, 2) centre that enters the first layer.
        references: (layers, N, q, 4) boxes (or centres (.., 2) without refinement) that leave each layer, detached.
        boxes: (layers, N, q, 4) cx, cy, w, h in 0..1, with gradient.
    """

    states: Tensor
    initial_reference: Tensor
    references: Tensor
    boxes: Tensor

    def entering_centre(self) -> Tensor:
        """Centres (N, q, 2) that enter the last layer."""
        return self.references[-2][..., :2] if len(self.references) > 1 else self.initial_reference


def inverse_sigmoid(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Logit of x in 0..1, with x and 1 - x kept at ``eps`` or above."""
    x = x.clamp(0, 1)
    return torch.log(x.clamp(min=eps) / (1 - x).clamp(min=eps))


def valid_ratio(padding: Tensor) -> Tensor:
    """Valid part of the width (first row) and of the height (first column) of maps.

    A frame that is padding altogether (a clip shorter than its batch) counts as valid: no position exists in it, and
    a ratio of 0 would divide by zero.

    Args:
        padding: (N, h, w) bool, True = padding.

    Returns:
        (N, 2) float32: width, height.
    """
    ratios = torch.stack([(~padding[:, 0]).float().mean(dim=1), (~padding[:, :, 0]).float().mean(dim=1)], dim=-1)
    return torch.where(ratios > 0, ratios, torch.ones_like(ratios))


def pixel_centres(shapes: Sequence[tuple[int, int]], valid_ratios: Tensor) -> Tensor:
    """Reference points of the encoder: the centre of every pixel, seen from every level.

    Args:
        shapes: (h, w) of every level.
        valid_ratios: (N, levels, 2) of width, height.

    Returns:
        (N, S, levels, 2) x, y; 1 is the end of a level's map, padding included.
    """
    centres = []
    sizes = level_sizes(shapes, valid_ratios)  # levels 2
    for level, (h, w) in enumerate(shapes):
        options = dict(dtype=valid_ratios.dtype, device=valid_ratios.device)
        y, x = torch.meshgrid(torch.arange(h, **options) + 0.5, torch.arange(w, **options) + 0.5, indexing='ij')
        size = valid_ratios[:, None, level] * sizes[level]  # N 1 2
        centres.append(torch.stack([x, y], dim=-1).view(1, -1, 2) / size)  # N h*w 2
    return torch.cat(centres, dim=1)[:, :, None] * valid_ratios[:, None]  # N S 1 2, N 1 levels 2 -> N S levels 2


class FeedForward(nn.Module):
    """Two linear layers with ReLU, residual and layer norm (post-norm).

    Args:
        channels: width C.
        hidden_channels: width between the layers.
        dropout: after the activation and on the result.
    """

    def __init__(self, *, channels: int, hidden_channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, hidden_channels), nn.ReLU(inplace=True), nn.Dropout(dropout),
                                    nn.Linear(hidden_channels, channels), nn.Dropout(dropout))
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, S, C) -> (N, S, C)."""
        rows = x.flatten(0, 1)  # N S C -> N*S C: whole blocks of memory
        return by_tokens(lambda tokens: self.norm(tokens + self.layers(tokens)), rows, axis=0).view(x.shape)


class DeformableEncoderLayer(nn.Module):
    """Deformable self-attention over all levels of a frame, then the feed-forward layer.

    Args:
        channels: width C.
        num_heads, num_levels, num_points: of the deformable attention.
        feedforward_channels: hidden width of the feed-forward layer.
        dropout: on the results of both steps.
    """

    def __init__(self, *, channels: int = 256, num_heads: int = 8, num_levels: int = 4, num_points: int = 4,
                 feedforward_channels: int = 2048, dropout: float = 0.1) -> None:
        super().__init__()
        self.attention = DeformableAttention(channels=channels, num_heads=num_heads, num_levels=num_levels,
                                             num_points=num_points)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(channels)
        self.feedforward = FeedForward(channels=channels, hidden_channels=feedforward_channels, dropout=dropout)

    def forward(self, tokens: Tensor, levels: LevelTokens, references: Tensor) -> Tensor:
        """(N, S, C) tokens -> (N, S, C); ``levels`` gives position, padding and shapes."""
        read = self.attention(tokens + levels.position, references, tokens, levels.shapes, levels.padding)
        return self.feedforward(self.norm(tokens + self.dropout(read)))


class DeformableDecoderLayer(nn.Module):
    """Queries of a frame attend to each other, then to the memory; then the feed-forward layer.

    Args: as for :class:`DeformableEncoderLayer`; ``dropout`` also acts on the weights of the self-attention.
    """

    def __init__(self, *, channels: int = 256, num_heads: int = 8, num_levels: int = 4, num_points: int = 4,
                 feedforward_channels: int = 2048, dropout: float = 0.1) -> None:
        super().__init__()
        self.self_attention = nn.MultiheadAttention(channels, num_heads, dropout=dropout, batch_first=True)
        self.self_norm = nn.LayerNorm(channels)
        self.cross_attention = DeformableAttention(channels=channels, num_heads=num_heads, num_levels=num_levels,
                                                   num_points=num_points)
        self.cross_norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)
        self.feedforward = FeedForward(channels=channels, hidden_channels=feedforward_channels, dropout=dropout)

    def forward(self, x: Tensor, position: Tensor, references: Tensor, memory: Tensor, levels: LevelTokens) -> Tensor:
        """One layer.

        Args:
            x, position: (N, q, C) content and position of the queries.
            references: (N, q, levels, 2 or 4).
            memory: (N, S, C).
            levels: gives padding and shapes of the memory.

        Returns:
            (N, q, C).
        """
        query = x + position
        read, _ = self.self_attention(query, query, x, need_weights=False)
        x = self.self_norm(x + self.dropout(read))
        read = self.cross_attention(x + position, references, memory, levels.shapes, levels.padding)
        return self.feedforward(self.cross_norm(x + self.dropout(read)))


class DeformableEncoder(nn.Module):
    """A stack of :class:`DeformableEncoderLayer`; arguments as there, ``num_layers``, and ``with_cp`` (recompute the
    layers in the backward pass)."""

    def __init__(self, *, num_layers: int, channels: int = 256, num_heads: int = 8, num_levels: int = 4,
                 num_points: int = 4, feedforward_channels: int = 2048, dropout: float = 0.1,
                 with_cp: bool = False) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.layers = nn.ModuleList(
            DeformableEncoderLayer(channels=channels, num_heads=num_heads, num_levels=num_levels, num_points=num_points,
                                   feedforward_channels=feedforward_channels, dropout=dropout)
            for _ in range(num_layers))

    def forward(self, levels: LevelTokens) -> Tensor:
        """Memory (N, S, C); values under padding are not zeroed."""
        references = pixel_centres(levels.shapes, levels.valid_ratios)  # N S levels 2
        tokens = levels.tokens
        blocks = [(block, levels[block]) for block in frame_blocks(*tokens.shape[:2], tokens.device)]
        for i, layer in enumerate(self.layers):
            parts = [run_layer(layer, tokens[block], part, references[block], with_cp=self.with_cp)
                     for block, part in blocks]
            tokens = tap(f'encoder_layer{i}', parts[0] if len(parts) == 1 else torch.cat(parts))
        return tokens


class DeformableDecoder(nn.Module):
    """Decoder layers with iterative refinement of the reference boxes; arguments as of the layer, and ``num_layers``.

    Args:
        refine: whether the box of a layer becomes the reference of the next; else all layers keep the first centre.
        with_cp: recompute the layers in the backward pass.
    """

    def __init__(self, *, num_layers: int, channels: int = 256, num_heads: int = 8, num_levels: int = 4,
                 num_points: int = 4, feedforward_channels: int = 2048, dropout: float = 0.1, refine: bool = True,
                 with_cp: bool = False) -> None:
        super().__init__()
        self.refine, self.with_cp = refine, with_cp
        self.layers = nn.ModuleList(
            DeformableDecoderLayer(channels=channels, num_heads=num_heads, num_levels=num_levels, num_points=num_points,
                                   feedforward_channels=feedforward_channels, dropout=dropout)
            for _ in range(num_layers))

    def forward(self, content: Tensor, position: Tensor, reference: Tensor, memory: Tensor, levels: LevelTokens,
                box_heads: Sequence[nn.Module], between: Callable[[Tensor], Tensor] | None = None) -> DecoderOutput:
        """Decode.

        Args:
            content, position: (N, q, C) of the queries.
            reference: (N, q, 2) initial centres in 0..1 of the unpadded frame.
            memory: (N, S, C).
            levels: gives padding, shapes and valid ratios of the memory.
            box_heads: one a layer, (N, q, C) -> (N, q, 4) changes of the inverse sigmoid of the box.
            between: run on the states after every layer (N, q, C) -> (N, q, C).
        """
        ratios = levels.valid_ratios[:, None].to(content.dtype)  # N levels 2 -> N 1 levels 2
        initial, states, references, boxes = reference, [], [], []
        x = content
        for layer, box_head in zip(self.layers, box_heads, strict=True):
            scale = ratios if reference.shape[-1] == 2 else torch.cat([ratios, ratios], dim=-1)
            x = run_layer(layer, x, position, reference[:, :, None] * scale, memory, levels, with_cp=self.with_cp)
            x = x if between is None else between(x)
            change = box_head(x)  # N q 4
            known = reference.shape[-1]
            entering = inverse_sigmoid(reference)
            box = torch.cat([change[..., :known] + entering, change[..., known:]], dim=-1).sigmoid()
            if self.refine:
                reference = box.detach()
            states.append(x)
            references.append(reference.detach())
            boxes.append(box)
        return DecoderOutput(states=torch.stack(states), initial_reference=initial, references=torch.stack(references),
                             boxes=torch.stack(boxes))


@MODELS.register_module()
class DeformableTransformer(nn.Module):
    """Encoder over the levels of a frame and decoder of its queries.

    Args:
        channels: width C of tokens and queries.
        num_heads: attention heads.
        encoder_layers, decoder_layers: number of layers.
        feedforward_channels: hidden width of the feed-forward layers.
        num_levels: levels of the input.
        encoder_points, decoder_points: sampled points of each head and level.
        dropout: see the layers.
        refine: iterative refinement of the boxes.
        with_cp: recompute the layers in the backward pass instead of keeping their activations (saves memory).
    """

    def __init__(self, *, channels: int = 256, num_heads: int = 8, encoder_layers: int = 4, decoder_layers: int = 4,
                 feedforward_channels: int = 2048, num_levels: int = 4, encoder_points: int = 4,
                 decoder_points: int = 4, dropout: float = 0.1, refine: bool = True, with_cp: bool = False) -> None:
        super().__init__()
        self.channels, self.num_levels, self.num_layers, self.refine = channels, num_levels, decoder_layers, refine
        options = dict(channels=channels, num_heads=num_heads, num_levels=num_levels,
                       feedforward_channels=feedforward_channels, dropout=dropout, with_cp=with_cp)
        self.level_embed = nn.Parameter(torch.empty(num_levels, channels))
        self.encoder = DeformableEncoder(num_layers=encoder_layers, num_points=encoder_points, **options)
        self.decoder = DeformableDecoder(num_layers=decoder_layers, num_points=decoder_points, refine=refine, **options)
        self.reference_points = nn.Linear(channels, 2)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Xavier uniform for every matrix, level embeddings N(0, 1), deformable attention as it says itself."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for module in self.modules():
            if isinstance(module, DeformableAttention):
                module.reset_parameters()
        nn.init.normal_(self.level_embed)
        nn.init.zeros_(self.reference_points.bias)

    def join(self, maps: Sequence[Tensor], positions: Sequence[Tensor], paddings: Sequence[Tensor]) -> LevelTokens:
        """One sequence of all levels.

        Args:
            maps, positions: (N, C, h, w) of every level.
            paddings: (N, h, w) bool of every level, True = padding.

        Raises:
            ValueError: another number of levels than ``num_levels``.
        """
        if len(maps) != self.num_levels:
            raise ValueError(f'{len(maps)} levels for a transformer of num_levels = {self.num_levels}')
        tokens = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1)  # N C h w -> N h*w C -> N S C
        position = torch.cat([x.flatten(2).transpose(1, 2) + embed
                              for x, embed in zip(positions, self.level_embed, strict=True)], dim=1)  # N S C
        return LevelTokens(tokens=tokens, position=position, padding=torch.cat([p.flatten(1) for p in paddings], dim=1),
                           shapes=[tuple(x.shape[-2:]) for x in maps],
                           valid_ratios=torch.stack([valid_ratio(p) for p in paddings], dim=1))

    def encode(self, levels: LevelTokens) -> Tensor:
        """Memory (N, S, C)."""
        return self.encoder(levels)

    def decode(self, content: Tensor, position: Tensor, memory: Tensor, levels: LevelTokens,
               box_heads: Sequence[nn.Module], between: Callable[[Tensor], Tensor] | None = None) -> DecoderOutput:
        """Decode from the references that the query positions give.

        Args:
            content: (N, q, C).
            position: (q, C), the same in all frames.
            memory, levels, box_heads, between: see :class:`DeformableDecoder`.
        """
        reference = self.reference_points(position)  # q 2
        reference = reference.to(torch.promote_types(reference.dtype, torch.float32)).sigmoid()
        reference = reference.expand(content.shape[0], -1, -1)  # q 2 -> N q 2
        position = position.expand(content.shape[0], -1, -1)  # q C -> N q C
        return self.decoder(content, position, reference, memory, levels, box_heads, between)
