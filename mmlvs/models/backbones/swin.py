"""Image Swin and Video Swin: hierarchical windowed transformers on clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmlvs.io.conversions.backbones import SWIN, VIDEO_SWIN
from mmlvs.models.backbones.window_attention import PatchEmbedding, PatchMerging, Triple, WindowAttention, WindowBlock
from mmlvs.models.layers.recompute import run_layer
from mmlvs.models.pretrained import check_init_cfg, load_pretrained
from mmlvs.registry import MODELS


class WindowedBackbone(BaseModule):
    """Patch embedding and four stages of windowed blocks, with patch merging between stages.

    The parts stay open for networks that work between them: ``patch_embed``, ``stages[i]`` (a list of blocks),
    ``merges[i]`` (after stage i, not after the last) and ``out_norms[i]`` (identity where there is none).
    All work on (B, T, h, w, C).

    Args:
        embed_dim: channels C of the first stage; stage i has 2**i as many.
        depths: blocks of each stage.
        num_heads: attention heads of each stage.
        window: configured window (wt, wh, ww).
        shrink: whether a window is cut to a smaller map (Video Swin) or the map is padded (image Swin).
        patch_size: side of a patch in pixels.
        mlp_ratio: hidden width of the MLPs divided by their channels.
        qkv_bias: bias of the projection to query, key and value.
        patch_norm: layer norm after the patch embedding.
        drop_path_rate: drop probability of the last block; it grows linearly from 0 at the first.
        out_norm: whether outputs pass a layer norm of their own; one flag for all or one a stage.
        with_cp: recompute the blocks in the backward pass instead of keeping their activations.
        init_cfg: None (random) or ``dict(type='Pretrained', checkpoint=path)``, used by ``init_weights``.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        depths: Sequence[int],
        num_heads: Sequence[int],
        window: Triple,
        shrink: bool,
        patch_size: int,
        mlp_ratio: float,
        qkv_bias: bool,
        patch_norm: bool,
        drop_path_rate: float,
        out_norm: bool | Sequence[bool],
        with_cp: bool,
        init_cfg: dict | None,
    ) -> None:
        super().__init__(init_cfg=check_init_cfg(init_cfg))
        if len(depths) != len(num_heads):
            raise ValueError(f'depths and num_heads must have one length, found {list(depths)} and {list(num_heads)}')
        norms = [out_norm] * len(depths) if isinstance(out_norm, bool) else list(out_norm)
        if len(norms) != len(depths):
            raise ValueError(f'out_norm must be one flag or one for each of the {len(depths)} stages, found {norms}')
        self.with_cp = with_cp
        self.out_channels = tuple(embed_dim * 2**i for i in range(len(depths)))
        self.out_strides = tuple(patch_size * 2**i for i in range(len(depths)))
        self.patch_embed = PatchEmbedding(in_channels=3, channels=embed_dim, patch_size=patch_size, norm=patch_norm)

        drops = torch.linspace(0, drop_path_rate, sum(depths), device='cpu').tolist()
        half = tuple(n // 2 for n in window)
        self.stages = nn.ModuleList()
        for channels, depth, heads in zip(self.out_channels, depths, num_heads, strict=True):
            blocks = [
                WindowBlock(
                    channels=channels,
                    num_heads=heads,
                    window=window,
                    shift=half if j % 2 else (0, 0, 0),
                    shrink=shrink,
                    mlp_ratio=mlp_ratio,
                    qkv_bias=qkv_bias,
                    drop_path=drops.pop(0),
                ) for j in range(depth)
            ]
            self.stages.append(nn.ModuleList(blocks))
        self.merges = nn.ModuleList(PatchMerging(channels=channels) for channels in self.out_channels[:-1])
        self.out_norms = nn.ModuleList(
            nn.LayerNorm(channels) if norm else nn.Identity()
            for channels, norm in zip(self.out_channels, norms, strict=True))

    def run_stage(self, index: int, x: Tensor) -> Tensor:
        """Blocks of stage ``index`` (from 0) on (B, T, h, w, C)."""
        for block in self.stages[index]:
            x = run_layer(block, x, with_cp=self.with_cp)
        return x

    def run(self, frames: Tensor) -> list[Tensor]:
        """All stages, (B, T, 3, H, W) -> maps (B, T, h, w, C) at the strides ``out_strides``."""
        x = self.patch_embed(frames)
        outputs = []
        for i, norm in enumerate(self.out_norms):
            x = self.run_stage(i, x)
            outputs.append(norm(x))
            if i < len(self.merges):
                x = self.merges[i](x)
        return outputs

    def reset_parameters(self) -> None:
        """Random start: library defaults, tables of relative positions truncated normal with deviation 0.02."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d, nn.LayerNorm)):
                module.reset_parameters()
            elif isinstance(module, WindowAttention):
                nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02)


@MODELS.register_module()
class SwinBackbone(WindowedBackbone):
    """Image Swin transformer (Liu et al., ICCV 2021), applied to every frame.

    Window and shift are kept on maps smaller than the window (the map is padded). Each output has a layer norm of
    its own, the un-normed tokens go on to the next stage.

    Args:
        embed_dim: channels of the first stage.
        depths: blocks of each stage.
        num_heads: attention heads of each stage.
        window_size: side of a window in tokens; odd blocks shift by half of it.
        patch_size: side of a patch in pixels.
        mlp_ratio: hidden width of the MLPs divided by their channels.
        qkv_bias: bias of the projection to query, key and value.
        patch_norm: layer norm after the patch embedding.
        drop_path_rate: drop probability of the last block, growing linearly from 0.
        out_norm: layer norm on the outputs; one flag for all or one a stage.
        with_cp: recompute the blocks in the backward pass (saves memory).
        init_cfg: ``dict(type='Pretrained', checkpoint=path)`` loads an ImageNet file in ``init_weights``; output
            norms, which it does not hold, stay new.
    """

    def __init__(
        self,
        *,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: int = 7,
        patch_size: int = 4,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        patch_norm: bool = True,
        drop_path_rate: float = 0.2,
        out_norm: bool | Sequence[bool] = True,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            embed_dim=embed_dim,
            depths=depths,
            num_heads=num_heads,
            window=(1, window_size, window_size),
            shrink=False,
            patch_size=patch_size,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            patch_norm=patch_norm,
            drop_path_rate=drop_path_rate,
            out_norm=out_norm,
            with_cp=with_cp,
            init_cfg=init_cfg,
        )

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Features of a batch of clips.

        Args:
            frames: (B, T, 3, H, W), normalised.

        Returns:
            list[Tensor]: (B, T, C, h, w) a stage, h = ceil(H / stride).
        """
        batch, time = frames.shape[:2]
        maps = self.run(frames.flatten(0, 1).unsqueeze(1))  # (B, T, 3, H, W) -> (B*T, 1, 3, H, W)
        # (B*T, 1, h, w, C) -> (B, T, C, h, w)
        return [x.squeeze(1).permute(0, 3, 1, 2).unflatten(0, (batch, time)) for x in maps]

    def reset_parameters(self) -> None:
        """Random start: as the base, and linear layers truncated normal with deviation 0.02, biases 0."""
        super().reset_parameters()
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def init_weights(self) -> None:
        """Random start, then the weights of ``init_cfg`` if there are any (ImageNet or our own names)."""
        self.reset_parameters()
        if self.init_cfg:
            load_pretrained(self, self.init_cfg, SWIN)
        self.is_init = True


@MODELS.register_module()
class VideoSwinBackbone(WindowedBackbone):
    """Video Swin transformer (Liu et al., CVPR 2022) without temporal down-sampling: patches are one frame deep.

    The only backbone in which the frames of a clip see each other. A window is cut to a map that is not larger, and
    such an axis does not shift. Outputs have no norm by default.

    Args:
        embed_dim: channels of the first stage.
        depths: blocks of each stage.
        num_heads: attention heads of each stage.
        window_size: window (frames, rows, columns) in tokens; odd blocks shift by half of it.
        patch_size: side of a patch in pixels.
        mlp_ratio: hidden width of the MLPs divided by their channels.
        qkv_bias: bias of the projection to query, key and value.
        patch_norm: layer norm after the patch embedding.
        drop_path_rate: drop probability of the last block, growing linearly from 0.
        out_norm: layer norm on the outputs; one flag for all or one a stage.
        with_cp: recompute the blocks in the backward pass (saves memory).
        init_cfg: ``dict(type='Pretrained', checkpoint=path)`` loads a Kinetics file in ``init_weights``; its patch
            kernel is summed over time.
    """

    def __init__(
        self,
        *,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: Sequence[int] = (8, 7, 7),
        patch_size: int = 4,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        patch_norm: bool = True,
        drop_path_rate: float = 0.2,
        out_norm: bool | Sequence[bool] = False,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        if len(window_size) != 3:
            raise ValueError(f'window_size must be (frames, rows, columns), found {window_size!r}')
        super().__init__(
            embed_dim=embed_dim,
            depths=depths,
            num_heads=num_heads,
            window=tuple(window_size),
            shrink=True,
            patch_size=patch_size,
            mlp_ratio=mlp_ratio,
            qkv_bias=qkv_bias,
            patch_norm=patch_norm,
            drop_path_rate=drop_path_rate,
            out_norm=out_norm,
            with_cp=with_cp,
            init_cfg=init_cfg,
        )

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Features of a batch of clips.

        Args:
            frames: (B, T, 3, H, W), normalised.

        Returns:
            list[Tensor]: (B, T, C, h, w) a stage, h = ceil(H / stride).
        """
        return [x.permute(0, 1, 4, 2, 3) for x in self.run(frames)]  # (B, T, h, w, C) -> (B, T, C, h, w)

    def init_weights(self) -> None:
        """Random start, then the weights of ``init_cfg`` if there are any (Kinetics or our own names)."""
        self.reset_parameters()
        if self.init_cfg:
            load_pretrained(self, self.init_cfg, VIDEO_SWIN)
        self.is_init = True
