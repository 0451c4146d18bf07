"""LAVT and LAVT-Video as a reader of the papers would write them: the yardstick of tests and of benchmarks.

Softmax written out, the whole shift mask of windowed attention, convolutions with channels first, and everything, the
first stage too, anew for every expression. Works on the modules of the package, which hold the weights;
float32 and float64, without autocast.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.backbones.language_aware_swin import LanguageAwareSwin
from mmlvs.models.layers.clip_convolution import ClipProjection, ConvolutionUnit
from mmlvs.models.layers.pixel_word_attention import PixelWordAttention
from mmlvs.models.segmentors.lavt import LAVT
from tests.plain.referformer import window_stage


def plain_form(model: LAVT) -> 'PlainLAVT':
    """A plain form that shares all parameters and buffers with ``model``; its mode (train, eval) is its own.

    Make it after the model has its final type and device.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    plain = copy.deepcopy(model, shared)
    plain.__class__ = PlainLAVT
    return plain


class PlainLAVT(LAVT):
    """LAVT or LAVT-Video whose network is computed in plain form; made by :func:`plain_form`."""

    def segment(self, frames, text, clip_of, key_frames=None):
        """As :meth:`LAVT.segment`, one row after another: (E, K, 2, h, w)."""
        rows = []
        for row, clip in enumerate(clip_of.tolist()):
            words, mask = text.words[row:row + 1].transpose(1, 2), text.mask[row:row + 1]  # 1 L C -> 1 C L
            maps = backbone_maps(self.backbone, frames[clip], words, mask)
            logits = mask_predictor(self.decoder, maps)
            rows.append(logits if key_frames is None else logits[key_frames[clip]])
        return torch.stack(rows)


def backbone_maps(backbone: LanguageAwareSwin, frames: Tensor, words: Tensor, mask: Tensor) -> list[Tensor]:
    """Fused maps (T, C_i, h, w) of one clip (T, 3, H, W) and one expression, (1, C, L) and (1, L)."""
    swin, time = backbone.swin, len(frames)
    x = swin.patch_embed(frames[:, None] if backbone.frames_apart else frames[None])  # B T h w C
    maps = []
    for i, (stage, norm) in enumerate(zip(swin.stages, swin.out_norms, strict=True)):
        x = window_stage(stage, x)
        clips = x.reshape(-1, time, *x.shape[2:]) if backbone.fuse_clip else x
        fused = pixel_word_attention(backbone.fusions[i], clips.permute(0, 4, 1, 2, 3), words, mask)  # B C T h w
        fused = fused.permute(0, 2, 3, 4, 1).reshape(x.shape)  # B T h w C
        maps.append(norm(fused).flatten(0, 1).permute(0, 3, 1, 2))  # B T h w C -> T C h w
        if i < len(swin.merges):
            first, _, second, _ = backbone.gates[i]
            x = x + torch.tanh(second(F.relu(first(fused)))) * fused
            x = swin.merges[i](x)
    return maps


def pixel_word_attention(module: PixelWordAttention, x: Tensor, words: Tensor, mask: Tensor) -> Tensor:
    """Pixel-word attention of clips that share one expression, (B, C, T, h, w) -> the same."""
    batch, channels, heads = len(x), x.shape[1], module.num_heads
    visual, query = projection(module.visual, x), projection(module.query, x)
    real = mask[:, None].to(x)  # 1 1 L
    key, value = ((F.conv1d(words, layer.weight[..., None], layer.bias) * real).expand(batch, -1, -1)
                  for layer in (module.key, module.value))  # B C L
    query, key, value = (y.reshape(batch, heads, channels // heads, -1) for y in (query, key, value))  # B heads d S
    logits = channels**-0.5 * query.transpose(2, 3) @ key + (1e4 * real - 1e4)[:, None]  # B heads S L
    found = (logits.softmax(dim=-1) @ value.transpose(2, 3)).transpose(2, 3)  # B heads d S
    language = projection(module.attended, found.reshape(x.shape))
    return projection(module.fused, visual * language)


def projection(module: ClipProjection, x: Tensor) -> Tensor:
    """Branches side by side, added: (B, C, T, h, w) -> the same."""
    total = 0
    for chain in module.branches:
        y = x
        for unit in chain:
            y = convolution_unit(unit, y)
        total = total + y
    return total


def convolution_unit(unit: ConvolutionUnit, x: Tensor) -> Tensor:
    """Convolution, then GELU or an instance norm over all frames."""
    x = F.conv3d(x, unit.conv.weight, unit.conv.bias, padding=unit.conv.padding)
    if isinstance(unit.finish, nn.GELU):
        return F.gelu(x)
    # torch 2.13's own gives wrong gradients on a CPU where those of its result are channels-last
    variance, mean = torch.var_mean(x, dim=(2, 3, 4), keepdim=True, correction=0)
    return (x - mean) / torch.sqrt(variance + unit.finish.eps)


def mask_predictor(decoder: nn.Module, maps: list[Tensor]) -> Tensor:
    """Top-down path, (T, C_i, h, w) finest first -> logits (T, 2, h, w)."""
    x = maps[-1]
    for level, skip in zip(decoder.levels, maps[-2::-1], strict=True):
        x = torch.cat([F.interpolate(x, size=skip.shape[-2:], mode='bilinear', align_corners=True), skip], dim=1)
        for conv, norm, _ in level:
            x = F.relu(norm(conv(x)))
    return decoder.logits(x)
