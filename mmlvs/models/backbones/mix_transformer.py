"""Mix Transformer (MiT), the encoder of SegFormer, on clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmlvs.io.conversions.mix_transformer import MIX_TRANSFORMER
from mmlvs.models.layers.recompute import run_layer
from mmlvs.models.pretrained import check_init_cfg, load_pretrained
from mmlvs.registry import MODELS
from mmlvs.utils import build

NORM_EPS = dict(blocks=1e-6, stage=1e-6, patch_embed=1e-5, sr=1e-5)
"""Of the released weights: two norms of a block, output norm of a stage, norm of a patch embedding, norm of keys."""


class OverlappingPatches(nn.Module):
    """Overlapping patches: convolution and layer norm, (N, C, H, W) -> (N, h, w, C')."""

    def __init__(self, *, in_channels: int, channels: int, patch_size: int, stride: int, norm_eps: float) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, channels, patch_size, stride=stride, padding=patch_size // 2)
        self.norm = nn.LayerNorm(channels, eps=norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x).permute(0, 2, 3, 1))  # N C' h w -> N h w C'


class ReducedAttention(nn.Module):
    """Self-attention whose keys and values are reduced by a strided convolution (SegFormer, equation 2), on
    (N, h, w, C)."""

    def __init__(self, *, channels: int, num_heads: int, reduction: int, qkv_bias: bool, norm_eps: float) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'num_heads must divide the channels, found {num_heads} heads for {channels} channels')
        self.num_heads, self.reduction = num_heads, reduction
        self.q = nn.Linear(channels, channels, bias=qkv_bias)
        self.kv = nn.Linear(channels, 2 * channels, bias=qkv_bias)
        self.proj = nn.Linear(channels, channels)
        if reduction > 1:
            self.sr = nn.Conv2d(channels, channels, reduction, stride=reduction)
            self.norm = nn.LayerNorm(channels, eps=norm_eps)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, channels = x.shape
        source = x
        if self.reduction > 1:
            if min(height, width) < self.reduction:
                raise ValueError(f'a map of {height} x {width} is smaller than the reduction {self.reduction} of its '
                                 f'keys: frames must have at least {4 * self.reduction} pixels a side')
            source = self.norm(self.sr(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))  # N h w C -> N C h w -> N h' w' C
        q = self.q(x).view(batch, height * width, self.num_heads, -1).transpose(1, 2)  # N heads h*w d
        kv = self.kv(source).view(batch, -1, 2, self.num_heads, channels // self.num_heads)  # N h'*w' 2 heads d
        k, v = kv.permute(2, 0, 3, 1, 4)  # each N heads h'*w' d
        out = F.scaled_dot_product_attention(q, k, v)
        return self.proj(out.transpose(1, 2).reshape(x.shape))  # N heads h*w d -> N h w C


class MixFeedForward(nn.Module):
    """Linear, depth-wise 3x3 convolution, exact GELU, linear (SegFormer, equation 3), on (N, h, w, C)."""

    def __init__(self, *, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dwconv(self.fc1(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # N h w C -> N C h w -> N h w C
        return self.fc2(F.gelu(x))


class MixBlock(nn.Module):
    """Pre-norm block: attention, then mixed feed-forward net, each with a residual, on (N, h, w, C)."""

    def __init__(self, *, channels: int, num_heads: int, reduction: int, mlp_ratio: float, qkv_bias: bool,
                 drop_path: float, norm_eps: Mapping[str, float]) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=norm_eps['blocks'])
        self.attn = ReducedAttention(channels=channels, num_heads=num_heads, reduction=reduction, qkv_bias=qkv_bias,
                                     norm_eps=norm_eps['sr'])
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(channels, eps=norm_eps['blocks'])
        self.mlp = MixFeedForward(channels=channels, hidden=int(channels * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


@MODELS.register_module()
class MixTransformerBackbone(BaseModule):
    """Encoder of SegFormer (Xie et al., NeurIPS 2021), applied to every frame. The defaults are MiT-B0.

    Args:
        embed_dims: channels of each stage.
        depths: blocks of each stage.
        num_heads: attention heads of each stage.
        mlp_ratios: hidden width of the feed-forward nets divided by their channels, of each stage.
        sr_ratios: reduction of keys and values along both sides, of each stage.
        patch_sizes, strides: of the patch embedding before each stage.
        qkv_bias: bias of the projections to query, key and value.
        drop_path_rate: drop probability of the last block; it grows linearly from 0 at the first.
        norm_eps: of the layer norms where they differ from :data:`NORM_EPS`, by its keys.
        with_cp: recompute the blocks in the backward pass (saves memory).
        init_cfg: ``dict(type='Pretrained', checkpoint=path)`` loads an ImageNet file in ``init_weights``.

    Raises:
        ValueError: settings differ in number of stages, or ``norm_eps`` has an unknown key.
    """

    def __init__(self, *, embed_dims: Sequence[int] = (32, 64, 160, 256), depths: Sequence[int] = (2, 2, 2, 2),
                 num_heads: Sequence[int] = (1, 2, 5, 8), mlp_ratios: Sequence[float] = (4, 4, 4, 4),
                 sr_ratios: Sequence[int] = (8, 4, 2, 1), patch_sizes: Sequence[int] = (7, 3, 3, 3),
                 strides: Sequence[int] = (4, 2, 2, 2), qkv_bias: bool = True, drop_path_rate: float = 0.1,
                 norm_eps: Mapping[str, float] | None = None, with_cp: bool = False,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=check_init_cfg(init_cfg))
        rows = dict(embed_dims=embed_dims, depths=depths, num_heads=num_heads, mlp_ratios=mlp_ratios,
                    sr_ratios=sr_ratios, patch_sizes=patch_sizes, strides=strides)
        if len({len(row) for row in rows.values()}) != 1:
            raise ValueError('MixTransformerBackbone: one entry a stage is expected in '
                             f'{", ".join(f"{name} {list(row)}" for name, row in rows.items())}')
        if unknown := set(norm_eps or ()) - set(NORM_EPS):
            raise ValueError(f'MixTransformerBackbone: norm_eps has {sorted(unknown)}, known are {sorted(NORM_EPS)}')
        eps = {**NORM_EPS, **(norm_eps or {})}
        self.with_cp = with_cp
        self.out_channels = tuple(embed_dims)
        self.out_strides = tuple(torch.tensor(list(strides), device='cpu').cumprod(0).tolist())
        drops = torch.linspace(0, drop_path_rate, sum(depths), device='cpu').tolist()
        self.patch_embeds, self.stages, self.out_norms = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        before = 3
        for width, depth, heads, ratio, reduction, patch, stride in zip(*rows.values(), strict=True):
            self.patch_embeds.append(OverlappingPatches(
                in_channels=before, channels=width, patch_size=patch, stride=stride, norm_eps=eps['patch_embed']))
            self.stages.append(nn.ModuleList(
                MixBlock(channels=width, num_heads=heads, reduction=reduction, mlp_ratio=ratio, qkv_bias=qkv_bias,
                         drop_path=drops.pop(0), norm_eps=eps) for _ in range(depth)))
            self.out_norms.append(nn.LayerNorm(width, eps=eps['stage']))
            before = width

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Features of a batch of clips.

        Args:
            frames: (B, T, 3, H, W), normalised.

        Returns:
            list[Tensor]: (B, T, C, h, w) a stage, h = ceil(H / stride).
        """
        x, maps = frames.flatten(0, 1), []  # B T 3 H W -> B*T 3 H W
        for embed, blocks, norm in zip(self.patch_embeds, self.stages, self.out_norms, strict=True):
            x = embed(x)
            for block in blocks:
                x = run_layer(block, x, with_cp=self.with_cp)
            x = norm(x).permute(0, 3, 1, 2)  # B*T h w C -> B*T C h w
            maps.append(x.unflatten(0, frames.shape[:2]))
        return maps

    def init_weights(self) -> None:
        """Random start (linear layers truncated normal with deviation 0.02, convolutions by their fan-out), then the
        weights of ``init_cfg`` if there are any."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
            elif isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=(2 / fan_out)**0.5)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
            if isinstance(module, (nn.Linear, nn.Conv2d)) and module.bias is not None:
                nn.init.zeros_(module.bias)
        if self.init_cfg:
            load_pretrained(self, self.init_cfg, MIX_TRANSFORMER)
        self.is_init = True


@MODELS.register_module()
class MMSegMixTransformer(BaseModule):
    """``mmseg.MixVisionTransformer`` of the full stack with the layer norms of the released weights, for
    :class:`FrameBackbone`: it gives one epsilon to all norms, they have two.

    Args:
        settings: of ``mmseg.MixVisionTransformer``; its defaults with ``num_heads=(1, 2, 5, 8)`` and ``qkv_bias=True``
            are MiT-B0.
    """

    def __init__(self, *, settings: Mapping | None = None) -> None:
        super().__init__()
        settings = {**dict(embed_dims=32, num_heads=(1, 2, 5, 8), num_layers=(2, 2, 2, 2), qkv_bias=True,
                           drop_path_rate=0.1), **(settings or {})}
        self.network = build(dict(type='mmseg.MixVisionTransformer', **settings), MODELS)
        for embed, blocks, _ in self.network.layers:
            for norm in (embed.norm, *(block.attn.norm for block in blocks if hasattr(block.attn, 'norm'))):
                norm.eps = NORM_EPS['patch_embed']
        self.out_channels = tuple(settings['embed_dims'] * heads for heads in settings['num_heads'])

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) to maps (N, C, h, w)."""
        return list(self.network(images))
