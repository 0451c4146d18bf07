"""Swin and Video Swin in which words enter after every stage (LAVT: Yang et al., CVPR 2022, section 3; TPAMI 2024)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmlvs.models.backbones.swin import SwinBackbone, WindowedBackbone
from mmlvs.models.layers.recompute import run_layer
from mmlvs.registry import MODELS
from mmlvs.utils import build, tap

GATES = ('tanh', 'sigmoid', 'add', 'none')
OUTPUTS = ('fused', 'visual', 'gated')


class LanguageGate(nn.Sequential):
    """How much of the fused map enters the visual stream: two linear layers without bias, then tanh or sigmoid."""

    def __init__(self, *, channels: int, end: str = 'tanh') -> None:
        super().__init__(nn.Linear(channels, channels, bias=False), nn.ReLU(),
                         nn.Linear(channels, channels, bias=False), nn.Tanh() if end == 'tanh' else nn.Sigmoid())


@MODELS.register_module()
class LanguageAwareSwin(BaseModule):
    """A windowed transformer whose stages are followed by a fusion with the words and a gate.

    After stage i: ``F = fusion(x, words)``; the output is a layer norm of F; the next stage gets ``x + gate(F) * F``.
    Up to the first fusion nothing depends on the words and runs once a clip, the rest once for every (clip, expression)
    row.

    Args:
        swin: a :class:`SwinBackbone` or :class:`VideoSwinBackbone`; stages with an output norm give an output.
        fusion: settings of the fusion modules, or a list of one a stage; ``channels`` and ``text_channels`` follow.
        text_channels: C of the words.
        gate: ``'tanh'`` or ``'sigmoid'`` gate, ``'add'``: x + F, ``'none'``: the stream stays visual.
        outputs: what the output norms act on: ``'fused'`` F, ``'visual'`` x before the fusion, ``'gated'`` x after it.
        fuse_clip: whether a fusion sees the frames of a clip together; None: if the backbone does.
        keep_unused: build the parts of the last stage that reach no output, as the authors' networks have them. They
            get no gradient.
        zero_gates: gates start closed; the authors' networks start with random ones.
        true_offsets: windows cut to a map that is smaller in height or width look up their true offsets; the authors'
            networks have others, see :func:`~mmlvs.models.backbones.window_attention.relative_position_index`.

    Raises:
        ValueError: unknown settings, or a number of fusions other than that of the stages.
    """

    def __init__(self, *, swin: dict | WindowedBackbone, fusion: dict | Sequence[dict], text_channels: int = 768,
                 gate: str = 'tanh', outputs: str = 'fused', fuse_clip: bool | None = None, keep_unused: bool = False,
                 zero_gates: bool = False, true_offsets: bool = True) -> None:
        super().__init__()
        if gate not in GATES or outputs not in OUTPUTS:
            raise ValueError(f'LanguageAwareSwin: gate {gate!r}, expected one of {GATES}; outputs {outputs!r}, '
                             f'expected one of {OUTPUTS}')
        self.swin: WindowedBackbone = build(swin, MODELS)
        for block in (block for stage in self.swin.stages for block in stage):
            block.attn.true_offsets = true_offsets
        self.frames_apart = isinstance(self.swin, SwinBackbone)
        self.fuse_clip = not self.frames_apart if fuse_clip is None else fuse_clip
        if not self.frames_apart and not self.fuse_clip:
            raise ValueError('LanguageAwareSwin: fuse_clip=False, but this backbone sees the frames of a clip '
                             'together; leave it out, or take SwinBackbone')
        self.gate, self.outputs, self.zero_gates = gate, outputs, zero_gates
        channels = self.swin.out_channels
        fusions = [fusion] * len(channels) if isinstance(fusion, dict) else list(fusion)
        if len(fusions) != len(channels):
            raise ValueError(f'LanguageAwareSwin: {len(fusions)} fusions for {len(channels)} stages')
        self.out_indices = [i for i, norm in enumerate(self.swin.out_norms) if isinstance(norm, nn.LayerNorm)]
        if not self.out_indices:
            raise ValueError('LanguageAwareSwin: no stage has an output norm; set out_norm of the backbone')
        self.out_channels = tuple(channels[i] for i in self.out_indices)
        self.out_strides = tuple(self.swin.out_strides[i] for i in self.out_indices)
        last = len(channels) - 1
        used = {'visual': last, 'fused': last + 1, 'gated': last + 1}[outputs]  # stages whose fusion is needed
        self.fusions = nn.ModuleList(
            build(setting, MODELS, channels=width, text_channels=text_channels)
            for setting, width in list(zip(fusions, channels, strict=True))[:last + 1 if keep_unused else used])
        count = last + 1 if keep_unused or outputs == 'gated' else last
        self.gates = nn.ModuleList(LanguageGate(channels=width, end=gate) for width in channels[:count]
                                   if gate in ('tanh', 'sigmoid'))

    def forward(self, frames: Tensor, words: Tensor, mask: Tensor, clip_of: Tensor) -> list[Tensor]:
        """Maps of every (clip, expression) row.

        Args:
            frames: (B, T, 3, H, W), normalised.
            words: (E, L, C_text).
            mask: (E, L) bool, True = word.
            clip_of: (E,) int64, clip of every row.

        Returns:
            list[Tensor]: (E, T, C, h, w) a stage with an output norm, h = ceil(H / stride).
        """
        time, rows = frames.shape[1], len(clip_of)
        x = frames.flatten(0, 1).unsqueeze(1) if self.frames_apart else frames  # B T 3 H W -> B*T 1 3 H W
        x = tap('patch_embed', self.swin.patch_embed(x))
        x = self._blocks(0, x)
        # B*T 1 h w C -> E*T 1 h w C, or B T h w C -> E T h w C
        x = x.unflatten(0, (-1, time))[clip_of].flatten(0, 1) if self.frames_apart else x[clip_of]
        maps = []
        for i, norm in enumerate(self.swin.out_norms):
            if i:
                x = self._blocks(i, tap(f's{i}_downsample', self.swin.merges[i - 1](x)))
            x, out = self.fuse(i, x, words, mask, time)
            if i in self.out_indices:
                out = norm(out).reshape(rows, time, *out.shape[2:])  # E*T 1 h w C or E T h w C -> E T h w C
                maps.append(tap(f'c{i + 1}', out.permute(0, 1, 4, 2, 3)))  # E T h w C -> E T C h w
        return maps

    def _blocks(self, index: int, x: Tensor) -> Tensor:
        for j, block in enumerate(self.swin.stages[index]):
            x = tap(f's{index + 1}_block{j}', run_layer(block, x, with_cp=self.swin.with_cp))
        return x

    def fuse(self, index: int, x: Tensor, words: Tensor, mask: Tensor, time: int) -> tuple[Tensor, Tensor]:
        """Language after stage ``index``: what goes on, and what is given out; both of the shape of x, (R, T, h, w,
        C)."""
        if index >= len(self.fusions):
            return x, x
        clips = x.reshape(-1, time, *x.shape[2:]) if self.fuse_clip else x  # E*T 1 h w C -> E T h w C
        fused = tap(f's{index + 1}_fusion', self.fusions[index](clips, words, mask)).reshape(x.shape)
        gated = x
        if self.gate == 'add':
            gated = x + fused
        elif index < len(self.gates):
            gated = x + tap(f's{index + 1}_gate', self.gates[index](fused)) * fused
        return gated, dict(fused=fused, visual=x, gated=gated)[self.outputs]

    def init_weights(self) -> None:
        """The backbone by its own settings (linear layers of one that starts at random truncated normal with deviation
        0.02), gates like its linear layers or closed, fusions by the library's defaults."""
        self.swin.init_weights()
        if not self.swin.init_cfg:
            _small_linears(self.swin)
        for module in self.fusions.modules():
            if hasattr(module, 'reset_parameters'):
                module.reset_parameters()
        _small_linears(self.gates)
        for gate in self.gates if self.zero_gates else ():
            nn.init.zeros_(gate[2].weight)
        self.is_init = True


def _small_linears(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def select_frames(x: Tensor, frames: Tensor) -> Tensor:
    """Frames (E, K) of maps or clips (E, T, ...): (E, K, ...)."""
    return x[torch.arange(len(x), device=x.device)[:, None], frames]
