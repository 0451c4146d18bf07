"""ReferFormer as a reader of the paper would write it: the yardstick of tests and of benchmarks.

Softmax written out, the whole shift mask of windowed attention, deformable attention level by level, one group of
convolutions a query with maps of relative coordinates, and everything, the backbone too, anew for every expression.
Works on the modules of the package, which hold the weights; float32 and float64, without autocast.
"""

import copy
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmlvs.models.backbones import ResNetBackbone, SwinBackbone
from mmlvs.models.backbones.window_attention import relative_position_index, window_in_use
from mmlvs.models.decoders.deformable_transformer import inverse_sigmoid
from mmlvs.models.decoders.dynamic_mask_head import aligned_upsample
from mmlvs.models.segmentors.referformer import ReferFormer


def plain_form(model: ReferFormer) -> 'PlainReferFormer':
    """A plain form that shares all parameters and buffers with ``model``; its mode (train, eval) is its own.

    Make it after the model has its final type and device.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    plain = copy.deepcopy(model, shared)
    plain.__class__ = PlainReferFormer
    return plain


class PlainReferFormer(ReferFormer):
    """ReferFormer whose network is computed in plain form; made by :func:`plain_form`."""

    def forward_clip(self, frames, padding, sizes, text, clip_of, key_frames=None, all_layers=True):
        """As :meth:`ReferFormer.forward_clip`, one row after another; at least one row."""
        rows = []
        for row, clip in enumerate(clip_of.tolist()):
            keys = None if key_frames is None else key_frames[clip]
            rows.append(self.forward_row(frames[clip], padding[clip], sizes[clip], text[row:row + 1], keys))
        layers = slice(None) if all_layers else slice(-1, None)
        outputs = {name: torch.stack([row[name] for row in rows], dim=1)[layers]  # layers E T q .
                   for name in ('pred_logits', 'pred_boxes', 'pred_masks')}
        if not self.training:
            outputs['reference_points'] = torch.stack([row['reference_points'] for row in rows])  # E T q 2
        return outputs

    def forward_row(self, frames, padding, size, text, keys):
        """One clip (T, 3, H, W) and one expression: outputs of all decoder layers (layers, T, q, .)."""
        maps = backbone_maps(self.backbone, frames)  # (T, C_i, h, w) at strides 4, 8, 16, 32
        if keys is not None:
            maps, padding = [x[keys] for x in maps], padding[keys]
        levels = [project(maps[min(i + 1, len(maps) - 1)]) for i, project in enumerate(self.input_projections)]
        masks = [F.interpolate(padding[None].float(), size=x.shape[-2:], mode='nearest')[0].bool()
                 for x in (maps[0], *levels)]  # (T, h, w) at strides 4, 8, ...
        positions = [self.frame_position(mask) for mask in masks]  # (T, C, h, w)

        words, sentence = self.text_projection(text.words), self.text_projection(text.sentence)  # 1 L C, 1 C
        word_position = self.text_position(text.padding).transpose(1, 2)  # 1 C L -> 1 L C
        language = (words, word_position, text.padding)

        fused = []
        for level in levels:
            pixels = level.permute(0, 2, 3, 1).reshape(1, -1, level.shape[1])  # T C h w -> 1 T*h*w C
            read = attention(self.fusion.attention, pixels, words + word_position, words, text.padding)
            fused.append((pixels * read).view(len(level), *level.shape[-2:], -1).permute(0, 3, 1, 2))  # T C h w

        output, memory = transformer(self.transformer, fused, positions[1:], masks[1:], sentence, self.query_position,
                                     self.box_heads)
        features = pixel_decoder(self.pixel_decoder, [maps[0], *memory[:len(maps) - 1]], positions, masks, language)
        states, centres = output['states'], output['references'][..., :2]  # layers T q .
        logits = torch.stack([head(x) for head, x in zip(self.class_heads, states, strict=True)])
        pred_masks = torch.stack([dynamic_masks(self.mask_head, x, features, centre, size)
                                  for x, centre in zip(states, centres, strict=True)])
        return dict(pred_logits=logits, pred_boxes=output['boxes'], pred_masks=pred_masks,
                    reference_points=output['entering'][..., :2])


# ------------------------------------------------------------ attention


def attention(layer: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor,
              padding: Tensor | None = None) -> Tensor:
    """Multi-head attention, (B, N, C), (B, M, C), (B, M, C), padding (B, M) -> (B, N, C)."""
    heads, depth = layer.num_heads, layer.head_dim
    weights, biases = layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3)
    q, k, v = (F.linear(x, weight, bias).unflatten(-1, (heads, depth)).transpose(1, 2)  # B . C -> B heads . d
               for x, weight, bias in zip((query, key, value), weights, biases, strict=True))
    logits = (q * depth**-0.5) @ k.transpose(-2, -1)  # B heads N M
    if padding is not None:
        logits = logits.masked_fill(padding[:, None, None], -torch.inf)
    share = F.dropout(logits.softmax(dim=-1), layer.dropout, layer.training)
    return layer.out_proj((share @ v).transpose(1, 2).flatten(2))  # B heads N d -> B N C


def deformable_attention(layer, query: Tensor, references: Tensor, source: Tensor, shapes, padding: Tensor) -> Tensor:
    """Deformable attention, level by level; arguments as of :class:`DeformableAttention`."""
    n, queries, channels = query.shape
    heads, levels, points = layer.num_heads, layer.num_levels, layer.num_points
    value = layer.value_proj(source).masked_fill(padding[..., None], 0)
    value = value.view(n, -1, heads, channels // heads)  # N S heads d
    offsets = layer.sampling_offsets(query).view(n, queries, heads, levels, points, 2)
    weights = layer.attention_weights(query).view(n, queries, heads, levels * points).softmax(dim=-1)
    sampled, start = [], 0
    for i, (h, w) in enumerate(shapes):
        level = value[:, start:start + h * w].permute(0, 2, 3, 1).reshape(n * heads, -1, h, w)  # N*heads d h w
        start += h * w
        reference = references[:, :, None, None, i]  # N Q 1 1 2|4
        if references.shape[-1] == 2:
            place = reference + offsets[:, :, :, i] / offsets.new_tensor([w, h])  # N Q heads points 2
        else:
            place = reference[..., :2] + offsets[:, :, :, i] / points * reference[..., 2:] * 0.5
        grid = (2 * place - 1).transpose(1, 2).flatten(0, 1)  # N Q heads points 2 -> N*heads Q points 2
        sampled.append(F.grid_sample(level, grid.to(level), align_corners=False))  # N*heads d Q points
    weights = weights.transpose(1, 2).reshape(n * heads, 1, queries, -1)  # N Q heads l*p -> N*heads 1 Q l*p
    out = (torch.cat(sampled, dim=-1) * weights).sum(dim=-1)  # N*heads d Q
    return layer.output_proj(out.view(n, channels, queries).transpose(1, 2))  # N C Q -> N Q C


# ------------------------------------------------------------ backbones


def backbone_maps(backbone: nn.Module, frames: Tensor) -> list[Tensor]:
    """Maps (T, C_i, h, w) of one clip (T, 3, H, W)."""
    if isinstance(backbone, ResNetBackbone):
        x = backbone.maxpool(backbone.relu(backbone.bn1(backbone.conv1(frames))))
        maps = []
        for i in range(1, 5):
            for block in getattr(backbone, f'layer{i}'):
                x = bottleneck(block, x)
            maps.append(x)
        return maps
    image = isinstance(backbone, SwinBackbone)  # its frames are a batch of clips of one frame
    x = backbone.patch_embed(frames[:, None] if image else frames[None])  # B T h w C
    maps = []
    for i, (stage, norm) in enumerate(zip(backbone.stages, backbone.out_norms, strict=True)):
        x = window_stage(stage, x)
        maps.append(norm(x).flatten(0, 1).permute(0, 3, 1, 2))  # B T h w C -> T C h w
        x = backbone.merges[i](x) if i < len(backbone.merges) else x
    return maps


def bottleneck(block: nn.Module, x: Tensor) -> Tensor:
    """Three convolutions with batch norm, and the shortcut."""
    y = F.relu(block.bn1(block.conv1(x)))
    y = F.relu(block.bn2(block.conv2(y)))
    y = block.bn3(block.conv3(y))
    return F.relu(y + (x if block.downsample is None else block.downsample(x)))


def window_stage(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    """Blocks of one stage on (B, T, h, w, C); the shift mask of the stage is made once."""
    mask = None
    for block in blocks:
        window, shift = window_in_use(x.shape[1:4], block.attn.window, block.shift, shrink=block.attn.shrink)
        if any(shift) and mask is None:
            mask = shift_mask(x.shape[1:4], window, shift).to(x)
        read = window_attention(block.attn, block.norm1(x), window, shift, mask if any(shift) else None)
        x = x + block.drop_path(read)
        x = x + block.drop_path(block.mlp(block.norm2(x)))
    return x


def window_attention(layer, x: Tensor, window, shift, mask: Tensor | None) -> Tensor:
    """Shift, cut into windows, attend in each, put together, shift back: (B, T, h, w, C) -> the same."""
    size, channels, heads = x.shape[1:4], x.shape[-1], layer.num_heads
    t, h, w = (-n % side for n, side in zip(size, window, strict=True))
    x = torch.roll(F.pad(x, (0, 0, 0, w, 0, h, 0, t)), [-s for s in shift], dims=(1, 2, 3))
    windows = partition(x, window)  # B n N C
    tokens = windows.shape[2]
    q, k, v = layer.qkv(windows).unflatten(-1, (3, heads, channels // heads)).permute(3, 0, 1, 4, 2, 5)  # B n heads N d
    index = relative_position_index(layer.window, tokens, x.device, tuple(window) if layer.true_offsets else None)
    bias = layer.relative_position_bias_table[index].view(tokens, tokens, heads).permute(2, 0, 1)  # heads N N
    logits = (q * (channels // heads)**-0.5) @ k.transpose(-2, -1) + bias  # B n heads N N
    if mask is not None:
        logits = logits + mask[:, None]  # n N N -> n 1 N N
    windows = layer.proj((logits.softmax(dim=-1) @ v).transpose(2, 3).flatten(3))  # B n heads N d -> B n N C
    x = torch.roll(join(windows, window, x.shape[1:4]), shift, dims=(1, 2, 3))
    return x[:, :size[0], :size[1], :size[2]]


def partition(x: Tensor, window) -> Tensor:
    """Windows of a map, (B, T, h, w, C) -> (B, n, N, C), N = product of ``window``."""
    for axis, side in enumerate(window):
        x = x.unflatten(1 + 2 * axis, (-1, side))
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4, 6).flatten(1, 3)  # B nt wt nh wh nw ww C -> B n N C


def join(windows: Tensor, window, size) -> Tensor:
    """The map of its windows, (B, n, N, C) -> (B, T, h, w, C)."""
    counts = [n // side for n, side in zip(size, window, strict=True)]
    x = windows.unflatten(2, tuple(window)).unflatten(1, counts)  # B nt nh nw wt wh ww C
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(len(windows), *size, -1)


def shift_mask(size, window, shift) -> Tensor:
    """-100 between tokens of a shifted map that are no neighbours, (n, N, N)."""
    padded = [-(-n // side) * side for n, side in zip(size, window, strict=True)]
    region = torch.zeros(1, *padded, 1)
    cuts = [(slice(0, -side), slice(-side, -s), slice(-s, None)) if s else (slice(None), )
            for side, s in zip(window, shift, strict=True)]
    for number, place in enumerate(itertools.product(*cuts)):
        region[(0, *place)] = number
    region = partition(region, window)[0, ..., 0]  # n N
    return (region[:, None] != region[..., None]).float() * -100


# ------------------------------------------------------------ transformer


def transformer(layer, maps, positions, masks, sentence: Tensor, query_position: Tensor,
                box_heads) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Encoder and decoder on T frames; maps, positions (T, C, h, w) and masks (T, h, w) of every level."""
    shapes = [tuple(x.shape[-2:]) for x in maps]
    tokens = torch.cat([x.flatten(2).transpose(1, 2) for x in maps], dim=1)  # T C h w -> T S C
    position = torch.cat([x.flatten(2).transpose(1, 2) + embed
                          for x, embed in zip(positions, layer.level_embed, strict=True)], dim=1)  # T S C
    padding = torch.cat([x.flatten(1) for x in masks], dim=1)  # T S
    ratios = torch.stack([valid_ratio(x) for x in masks], dim=1)  # T levels 2

    centres = []
    for i, (h, w) in enumerate(shapes):
        y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing='ij')
        centre = torch.stack([x, y], dim=-1).view(1, -1, 2).to(tokens.device)  # 1 h*w 2
        centres.append(centre / (ratios[:, None, i] * ratios.new_tensor([w, h])))  # T h*w 2
    references = torch.cat(centres, dim=1)[:, :, None] * ratios[:, None]  # T S levels 2
    for block in layer.encoder.layers:
        read = deformable_attention(block.attention, tokens + position, references, tokens, shapes, padding)
        tokens = block.norm(tokens + block.dropout(read))
        tokens = block.feedforward.norm(tokens + block.feedforward.layers(tokens))

    frames, queries = len(tokens), len(query_position)
    state = sentence[:, None].expand(frames, queries, -1)  # T q C
    place = query_position.expand(frames, -1, -1)  # T q C
    reference = layer.reference_points(query_position).sigmoid().expand(frames, -1, -1)  # T q 2
    entering, states, boxes, left = [], [], [], []
    for block, box_head in zip(layer.decoder.layers, box_heads, strict=True):
        entering.append(reference)
        read = attention(block.self_attention, state + place, state + place, state)
        state = block.self_norm(state + block.dropout(read))
        seen = ratios[:, None].to(state).repeat(1, 1, 1, reference.shape[-1] // 2)  # T 1 levels 2|4
        read = deformable_attention(block.cross_attention, state + place, reference[:, :, None] * seen, tokens, shapes,
                                    padding)
        state = block.cross_norm(state + block.dropout(read))
        state = block.feedforward.norm(state + block.feedforward.layers(state))
        change = box_head(state)  # T q 4
        known = inverse_sigmoid(reference)
        box = torch.cat([change[..., :known.shape[-1]] + known, change[..., known.shape[-1]:]], dim=-1).sigmoid()
        reference = box.detach() if layer.refine else reference
        states.append(state)
        boxes.append(box)
        left.append(reference.detach())
    memory = [part.transpose(1, 2).unflatten(2, shape)  # T h*w C -> T C h w
              for part, shape in zip(tokens.split([h * w for h, w in shapes], dim=1), shapes, strict=True)]
    return dict(states=torch.stack(states), boxes=torch.stack(boxes), references=torch.stack(left),
                entering=entering[-1]), memory


def valid_ratio(mask: Tensor) -> Tensor:
    """Valid part of width and height of (T, h, w), 1 where a frame is padding altogether: (T, 2)."""
    ratio = torch.stack([(~mask[:, 0]).float().mean(dim=1), (~mask[:, :, 0]).float().mean(dim=1)], dim=-1)
    return ratio.masked_fill(ratio == 0, 1)


# ------------------------------------------------------------ pixel decoder and mask head


def pixel_decoder(layer, maps, positions, masks, language) -> Tensor:
    """Mask features (T, m, h, w) from maps (T, C_i, h, w) of strides 4, 8, ..., of one clip and one expression."""
    x = None
    for i in reversed(range(len(maps))):
        y = layer.laterals[i](maps[i]).permute(0, 2, 3, 1)[None]  # T C h w -> 1 T h w C
        place = positions[i].permute(0, 2, 3, 1)[None]
        y = vision_language_block(layer.blocks[i], y, place, *language[:2], masks[i][None], language[2])
        y = y[0].permute(0, 3, 1, 2)  # 1 T h w C -> T C h w
        x = y if x is None else y + F.interpolate(x, size=y.shape[-2:], mode='nearest')
        x = F.relu(layer.outputs[i](x))
    return layer.mask_features(x)


def vision_language_block(block, x: Tensor, position: Tensor, words: Tensor, word_position: Tensor, padding: Tensor,
                          word_padding: Tensor) -> Tensor:
    """Attention among the pixels of a clip on reduced maps, to the words, and feed-forward layer: (E, T, h, w, C)."""
    e, t, h, w, channels = x.shape
    small = (max(h // block.reduction, 1), max(w // block.reduction, 1))

    def shrink(value: Tensor) -> Tensor:  # E T h w . -> E T*h/r*w/r .
        frames = F.interpolate(value.flatten(0, 1).permute(0, 3, 1, 2), size=small, mode='nearest')
        return frames.permute(0, 2, 3, 1).reshape(e, t * small[0] * small[1], -1)

    hidden = shrink(padding[..., None].to(x))[..., 0] > 0.5
    query = shrink(x + position)
    read = attention(block.vision_attention, query, query, shrink(x), hidden)
    read = read.reshape(e * t, *small, channels).permute(0, 3, 1, 2)
    read = F.interpolate(read, size=(h, w), mode='bilinear', align_corners=False)  # E*T C h w
    tokens = block.vision_norm(x.flatten(1, 3) + block.dropout(read.permute(0, 2, 3, 1).reshape(e, -1, channels)))
    read = attention(block.text_attention, tokens + position.flatten(1, 3), words + word_position, words, word_padding)
    tokens = block.text_norm(tokens + block.dropout(read))
    return block.feedforward_norm(tokens + block.dropout(block.feedforward(tokens))).view(x.shape)


def dynamic_masks(head, states: Tensor, features: Tensor, centres: Tensor, size) -> Tensor:
    """Masks (T, q, h, w) of one decoder layer: every query is a group of convolutions with maps of its own.

    Args:
        states: (T, q, C). features: (T, m, h, w). centres: (T, q, 2) x, y in 0..1. size: unpadded height, width.
    """
    frames, queries = states.shape[:2]
    h, w = features.shape[-2:]
    maps = features[:, None].expand(-1, queries, -1, -1, -1)  # T q m h w
    if head.relative_coordinates:
        y = torch.arange(h).to(features) * head.stride + head.stride // 2
        x = torch.arange(w).to(features) * head.stride + head.stride // 2
        centre = centres * centres.new_tensor([size[1], size[0]])  # T q 2 in pixels
        relative_x = (centre[..., 0, None, None] - x).expand(-1, -1, h, -1)  # T q h w
        relative_y = (centre[..., 1, None, None] - y[:, None]).expand(-1, -1, -1, w)
        maps = torch.cat([maps, torch.stack([relative_x, relative_y], dim=2) * head.coordinate_scale], dim=2)
    weights, biases = head.split(head.controller(states))  # T q out in, T q out 1
    maps = maps.reshape(1, -1, h, w)  # T q m+2 h w -> 1 T*q*(m+2) h w
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        maps = F.conv2d(maps if i == 0 else F.relu(maps), weight.flatten(0, 2)[..., None, None], bias.flatten(),
                        groups=frames * queries)
    return aligned_upsample(maps.view(frames, queries, h, w), head.upsampling)
