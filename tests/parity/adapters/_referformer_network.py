"""Parity of ReferFormer's transformer, heads and whole network with recorded numbers."""

import numpy as np
import torch
from torch import nn

from mmlvs.io.conversion import convert_state_dict, nested, rename
from mmlvs.io.conversions.referformer import (
    CROSS_MODAL_FPN_RULES,
    DEFORMABLE_ATTENTION_RULES,
    FUSION_RULES,
    KEPT,
    REFERFORMER_RULES,
    VISION_LANGUAGE_BLOCK_RULES,
)
from mmlvs.models.decoders import CrossModalFPN, DynamicMaskHead, Words
from mmlvs.models.decoders.dynamic_mask_head import aligned_upsample
from mmlvs.models.layers import (
    DeformableAttention,
    FeatureResizer,
    FramePositionEncoding,
    TextPositionEncoding,
    VisionLanguageBlock,
    VisionLanguageFusion,
)
from mmlvs.models.losses import ReferFormerCriterion, RowTarget
from mmlvs.models.segmentors.referformer import ReferFormer
from mmlvs.utils import record_taps

LOSS_TERMS = ('loss_ce', 'loss_bbox', 'loss_giou', 'loss_mask', 'loss_dice')


def _tensor(value, dtype):
    return torch.as_tensor(np.asarray(value), dtype=getattr(torch, dtype))


def _load(module, case, rules, dtype, keep=()):
    """Fill a module strictly with the case's weights."""
    source = {name: torch.from_numpy(np.asarray(value)) for name, value in case.state_dict().items()}
    outcome = convert_state_dict(source, rules, module.state_dict(), keep)
    module.load_state_dict({**module.state_dict(), **outcome.state_dict})
    return module.to(getattr(torch, dtype)).eval()


# ------------------------------------------------------------------- modules


@torch.no_grad()
def msdeform_attn(case, dtype):
    settings, inputs = case.settings, case.inputs
    layer = _load(DeformableAttention(channels=settings['hidden_dim'], num_heads=settings['nheads'],
                                      num_levels=settings['num_feature_levels'], num_points=settings['n_points']),
                  case, DEFORMABLE_ATTENTION_RULES, dtype)
    source, query = _tensor(inputs['src'], dtype), _tensor(inputs['query'], dtype)
    padding = _tensor(inputs['padding_mask'], 'bool')
    shapes = [tuple(map(int, row)) for row in inputs['spatial_shapes']]
    got = {}
    for kind in ('ref2', 'ref4'):
        if kind not in inputs:
            continue
        references = _tensor(inputs[kind], dtype)
        locations, weights = layer.locate(query, references, shapes)
        got[f'locations_{kind}'], got['weights'] = locations.numpy(), weights.numpy()
        got[f'output_{kind}'] = layer(query, references, source, shapes, padding).numpy()
        got[f'output_{kind}_nomask'] = layer(query, references, source, shapes).numpy()
    return got


@torch.no_grad()
def vl_modules(case, dtype):
    settings, inputs = case.settings, case.inputs
    channels, frames = settings['hidden_dim'], settings['num_frames']
    text = Words(words=_tensor(inputs['word'], dtype), position=_tensor(inputs['text_pos'], dtype),
                 padding=_tensor(inputs['text_mask'], 'bool'))
    fpn = settings['pixel_decoder']
    parts = nn.ModuleDict(dict(fusion=VisionLanguageFusion(channels=channels, num_heads=settings['fusion']['nheads'])))
    rules = list(nested(FUSION_RULES, r'fusion\.', 'fusion.'))
    for reduction in settings['block']['sr_ratios']:
        name = f'block_sr{reduction}'
        parts[name] = VisionLanguageBlock(channels=channels, num_heads=settings['block']['nheads'], reduction=reduction,
                                          feedforward_channels=settings['dim_feedforward'])
        rules += nested(VISION_LANGUAGE_BLOCK_RULES, rf'{name}\.', f'{name}.')
    parts['pixel_decoder'] = CrossModalFPN(
        in_channels=fpn['feature_channels'], channels=channels, mask_channels=settings['mask_dim'],
        num_heads=fpn['nheads'], feedforward_channels=settings['dim_feedforward'], dropout=fpn['dropout'],
        reductions=fpn['sr_ratios'], num_groups=fpn['group_norm_groups'])
    rules += nested(CROSS_MODAL_FPN_RULES, r'pixel_decoder\.', 'pixel_decoder.')
    _load(parts, case, rules, dtype)

    pixels, place = (_tensor(inputs[name], dtype).transpose(0, 1) for name in ('vis', 'vpos'))  # N B C -> B N C
    size = (frames, *(int(n) for n in inputs['block_size']))
    padding = _tensor(inputs['vision_mask'], 'bool').unflatten(1, size)
    got = dict(fusion=parts['fusion'](pixels, text.words, text.position, text.padding).transpose(0, 1).numpy())
    for reduction in settings['block']['sr_ratios']:
        out = parts[f'block_sr{reduction}'](pixels.unflatten(1, size), place.unflatten(1, size), text.words,
                                            text.position, padding=padding, word_padding=text.padding)  # B T h w C
        got[f'block_sr{reduction}'] = out.flatten(1, 3).transpose(0, 1).numpy()  # B T h w C -> T*h*w B C

    def clips(name, kind=dtype):
        return _tensor(inputs[name], kind).unflatten(0, (-1, frames))  # B*T ... -> B T ...

    count = len(fpn['feature_channels'])
    memory = [clips(f'mem{i}') for i in range(1, count)]
    features = parts['pixel_decoder'](
        clips('feat0'), memory, [clips(f'pos{i}') for i in range(count)],
        [clips(f'pad_mask{i}', 'bool') for i in range(count)], text, torch.arange(len(text.words)))
    got['mask_features'] = features.flatten(0, 1).numpy()
    return got


@torch.no_grad()
def dynamic_mask_head(case, dtype):
    settings, inputs = case.settings, case.inputs
    frames, queries = settings['num_frames'], settings['num_queries']
    features = _tensor(inputs['mask_features'], dtype)
    sizes = _tensor(inputs['sizes'], dtype)

    def by_query(name):
        value = _tensor(inputs[name], dtype)
        return value.view(1, len(value), frames, queries, -1)  # B T*q . -> 1 B T q .

    got = {}
    for kind in ('rel', 'norel'):
        if f'params_{kind}' not in inputs:
            continue
        head = DynamicMaskHead(
            mask_channels=settings['mask_dim'], hidden_channels=settings['dynamic_mask_channels'],
            num_layers=settings['controller_layers'], relative_coordinates=settings[f'params_{kind}']['rel_coord'],
            mask_stride=settings['mask_stride'])
        masks = head.masks(by_query(f'params_{kind}'), features, by_query('reference_points'), sizes)[0]
        got[f'masks_{kind}'] = masks.flatten(1, 2).numpy()  # B T q h w -> B T*q h w
    for name in case.output_names if hasattr(case, 'output_names') else case.spec['outputs']:
        if name.startswith('aligned_up'):
            got[name] = aligned_upsample(_tensor(inputs['up'], dtype), int(name.removeprefix('aligned_up'))).numpy()
    return got


# ------------------------------------------------------------------- whole network


def backbone_setting(settings):
    """Our settings of ``case.settings['backbone']``."""
    kind = settings['type']
    if kind == 'resnet':
        return dict(type='ResNetBackbone', depths=settings['blocks'], base_width=settings['base_width'])
    known = ('embed_dim', 'depths', 'num_heads', 'mlp_ratio', 'qkv_bias', 'patch_norm')
    common = {name: settings[name] for name in known if name in settings}
    if 'output_norm' in settings:
        common['out_norm'] = settings['output_norm']
    patch, window = settings['patch_size'], settings['window_size']
    patch = patch[-1] if isinstance(patch, list) else patch
    if kind == 'video_swin':
        return dict(type='VideoSwinBackbone', window_size=window, patch_size=patch, **common)
    return dict(type='SwinBackbone', window_size=window[-1] if isinstance(window, list) else window, patch_size=patch,
                **common)


def build_network(settings, criterion=None):
    """The network that a case's settings describe."""
    text = {name: value for name, value in settings['text_encoder'].items() if name != 'type'}
    fpn, channels = settings['pixel_decoder'], settings['hidden_dim']
    model = ReferFormer(
        backbone=backbone_setting(settings['backbone']),
        text_encoder=dict(type='RobertaTextEncoder', config=text,
                          tokenizer=dict(type='WordTokenizer', max_size=text['vocab_size'])),
        transformer=dict(type='DeformableTransformer', channels=channels, num_heads=settings['nheads'],
                         encoder_layers=settings['enc_layers'], decoder_layers=settings['dec_layers'],
                         feedforward_channels=settings['dim_feedforward'], num_levels=settings['num_feature_levels'],
                         encoder_points=settings['enc_n_points'], decoder_points=settings['dec_n_points'],
                         dropout=settings['dropout'], refine=settings['with_box_refine']),
        pixel_decoder=dict(type='CrossModalFPN', mask_channels=settings['mask_dim'], num_heads=fpn['nheads'],
                           feedforward_channels=settings['dim_feedforward'], dropout=fpn['dropout'],
                           reductions=fpn['sr_ratios'], num_groups=fpn['group_norm_groups']),
        mask_head=dict(type='DynamicMaskHead', hidden_channels=settings['dynamic_mask_channels'],
                       num_layers=settings['controller_layers'], relative_coordinates=settings['rel_coord'],
                       mask_stride=settings['mask_stride']),
        criterion=criterion, num_queries=settings['num_queries'], num_classes=settings['num_classes'],
        fusion_heads=settings['fusion']['nheads'], projection_groups=settings['input_proj']['group_norm_groups'])
    place, resizer = settings.get('position_encoding', {}), settings['resizer']
    place = {name: place[name] for name in ('temperature', 'normalize') if name in place}
    model.text_position = TextPositionEncoding(num_features=channels, **place)
    model.frame_position = FramePositionEncoding(num_features=channels // 2, **place)
    model.text_projection = FeatureResizer(in_channels=text['hidden_size'], out_channels=channels,
                                           dropout=resizer['dropout'], norm_eps=resizer['layer_norm_eps'])
    return model


def run_network(model, case, dtype):
    """Forward pass of all clips of a case."""
    inputs = case.inputs
    clips = []
    while f'video{len(clips)}' in inputs:
        clips.append(_tensor(inputs[f'video{len(clips)}'], dtype))
    sizes = [tuple(int(n) for n in row) for row in inputs['sizes']]
    divisor = case.batching['pad_divisor']
    if 'padded_size' in inputs:
        height, width = (int(n) for n in inputs['padded_size'])
    else:
        height, width = (-(-max(column) // divisor) * divisor for column in zip(*sizes, strict=True))
    frames = torch.zeros((len(clips), max(map(len, clips)), 3, height, width), dtype=clips[0].dtype)
    padding = torch.ones((*frames.shape[:2], height, width), dtype=torch.bool)
    for i, clip in enumerate(clips):
        frames[i, :len(clip), :, :clip.shape[-2], :clip.shape[-1]] = clip
        padding[i, :len(clip), :clip.shape[-2], :clip.shape[-1]] = False
    text = model.text_encoder.encode(_tensor(inputs['input_ids'], 'int64'), _tensor(inputs['attention_mask'], 'int64'))
    key_frames = _tensor(inputs['valid_indices'], 'int64').view(-1, 1) if 'valid_indices' in inputs else None
    clip_of = torch.arange(len(clips))
    return model.forward_clip(frames, padding, sizes, text, clip_of, key_frames=key_frames), (height, width)


def _load_network(case, dtype, criterion=None):
    model = build_network(case.settings, criterion)
    return _load(model, case, REFERFORMER_RULES, dtype, KEPT)


@torch.no_grad()
def network(case, dtype):
    model = _load_network(case, dtype)
    with record_taps() as taps:
        outputs, _ = run_network(model, case, dtype)
    got = dict(outputs)
    for name, value in taps.items():
        if name.startswith(('backbone', 'pad_mask', 'pos', 'proj', 'fpn', 'mask_features')):
            got[name] = value.flatten(0, 1)  # B T ... -> B*T ...
        elif name.startswith('fused'):
            got[name] = value.transpose(0, 1)  # E T*h*w C -> T*h*w E C
        else:
            got[name] = value
    if 'valid_indices' in case.inputs:  # recorded before the frame is chosen; the same in all frames of a clip
        for name in [name for name in got if name.startswith(('pad_mask', 'pos'))]:
            got[name] = got[name].repeat_interleave(len(case.inputs['video0']), dim=0)
    got['roberta_last_hidden'], got['roberta_pooler'] = got.pop('text_words'), got.pop('text_sentence')
    got['dynamic_params'] = model.mask_head.controller(taps['hs'])
    return {name: value.numpy() for name, value in got.items()}


def train_step(case, dtype):
    """Matches, losses and gradients; reference names of parameters are turned into ours."""
    settings, inputs = case.settings, case.inputs
    options = settings['criterion']
    focal = dict(focal_alpha=options['focal_alpha'], focal_gamma=options['focal_gamma'])
    criterion = ReferFormerCriterion(
        matcher=dict(type='ClipMatcher', **options['matcher'], **focal), **focal, num_classes=options['num_classes'],
        mask_stride=options['mask_stride'], mask_offset=options['mask_offset'], aux_losses=options['aux_losses'],
        **{name.replace('loss_', 'weight_'): value for name, value in options['loss_weights'].items()})
    model = _load_network(case, dtype, criterion)
    pairs = ((rename(theirs, REFERFORMER_RULES)[0], theirs) for theirs in case.state_dict())
    names = {ours: theirs for ours, theirs in pairs if isinstance(ours, str)}
    frozen = settings.get('frozen_parameters', [])
    for ours, parameter in model.named_parameters():
        parameter.requires_grad_(_trains(names[ours], ours, frozen, model))
    outputs, shape = run_network(model, case, dtype)
    targets = [RowTarget(masks=_tensor(inputs[f'masks{i}'], dtype), boxes=_tensor(inputs[f'boxes{i}'], dtype),
                         valid=_tensor(inputs[f'valid{i}'], 'bool'), label=_tensor(inputs[f'labels{i}'], 'long'))
               for i in range(outputs['pred_logits'].shape[1])]
    chosen, prepared = criterion.prepare(outputs, targets, shape)
    matched = criterion.match(chosen, prepared)
    got = {name: value.detach().numpy() for name, value in criterion.terms(chosen, prepared, matched).items()}
    total = sum(criterion(outputs, targets, shape).values())
    total.backward()
    parameters = dict(model.named_parameters())
    gradients = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    ours = {theirs: name for name, theirs in names.items()}

    def gradient(theirs):
        return gradients[ours[theirs]]

    last = f'bbox_embed.0.layers.{len(model.box_heads[0].layers) - 1}.weight'
    got.update(
        matched_query=matched.numpy(), total_loss=total.detach().numpy()[None],
        grad_norms=np.array([float(gradient(name).norm()) for name in inputs['gradient_names']]),
        grad_norm_total=np.array([float(torch.stack([g.norm() for g in gradients.values()]).norm())]),
        grad_bbox_embed0_last=gradient(last).numpy(), grad_query_embed=gradient('query_embed.weight').numpy())
    return got


def _trains(theirs, ours, frozen, model):
    """Whether the reference trains a parameter; batch norms are buffers there."""
    import re

    owner = model.get_submodule(ours.rpartition('.')[0])
    return not isinstance(owner, nn.BatchNorm2d) and not any(re.fullmatch(pattern, theirs) for pattern in frozen)


HANDLERS = {
    'msdeform_attn': msdeform_attn,
    'vl_modules': vl_modules,
    'dynamic_mask_head': dynamic_mask_head,
    'tiny_resnet': network,
    'tiny_video_swin': network,
    'tiny_resnet_loss': train_step,
}


def claims(case):
    """Canonical name of a case that may lie under another folder name, or None."""
    names, settings = set(case.inputs), case.settings
    whole = 'video0' in names and {'backbone', 'text_encoder', 'pixel_decoder'} <= set(settings)
    if case.kind == 'train_step' and whole:
        return 'tiny_resnet_loss'
    if case.kind == 'network' and whole:
        return 'tiny_resnet'
    if case.kind != 'module':
        return None
    if {'src', 'query', 'spatial_shapes'} <= names:
        return 'msdeform_attn'
    if {'word', 'vis', 'feat0'} <= names:
        return 'vl_modules'
    if {'mask_features', 'reference_points'} <= names:
        return 'dynamic_mask_head'
    return None
