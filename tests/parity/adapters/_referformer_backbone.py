"""ReferFormer's backbones, position encodings and text path, alone."""

import numpy as np
import torch

from mmlvs.io.conversions.backbones import REFERENCE_BACKBONES, ROBERTA
from mmlvs.models.backbones import ResNetBackbone, SwinBackbone, VideoSwinBackbone
from mmlvs.models.layers.feature_resizer import FeatureResizer
from mmlvs.models.layers.position_encoding import ClipPositionEncoding, FramePositionEncoding, TextPositionEncoding
from mmlvs.models.text_encoders import PretrainedTokenizer, RobertaTextEncoder

SWIN_KEYS = ('embed_dim', 'depths', 'num_heads', 'mlp_ratio', 'qkv_bias', 'patch_norm', 'drop_path_rate')
SINE_KEYS = ('temperature', 'normalize', 'scale', 'eps')


def build_backbone(settings: dict) -> torch.nn.Module:
    """One of our backbones from the ``backbone`` settings of a case."""
    kind = settings['type']
    if kind == 'resnet':
        return ResNetBackbone(depths=settings['blocks'], base_width=settings['base_width'])
    kwargs = {key: settings[key] for key in SWIN_KEYS if key in settings}
    kwargs['out_norm'] = settings['output_norm']
    patch = settings['patch_size']
    if kind == 'swin':
        return SwinBackbone(patch_size=patch, window_size=settings['window_size'], **kwargs)
    if kind == 'video_swin':
        if patch[0] != 1 or patch[1] != patch[2]:
            raise ValueError(f'expected a patch of one frame and a square, found {patch}')
        return VideoSwinBackbone(patch_size=patch[1], window_size=settings['window_size'], **kwargs)
    raise ValueError(f'backbone of type {kind!r} is not known')


def tensors(state: dict) -> dict[str, torch.Tensor]:
    """Arrays of a case as tensors."""
    return {name: torch.from_numpy(np.asarray(value)) for name, value in state.items()}


def run_backbone(case, dtype: str) -> dict:
    """All outputs of the backbone on the one array of the case, (N, 3, H, W)."""
    settings = case.settings['backbone']
    backbone = build_backbone(settings)
    weights = REFERENCE_BACKBONES[settings['type']].convert(tensors(case.state_dict()), backbone.state_dict())
    backbone.load_state_dict(weights.state_dict)
    backbone.eval().to(getattr(torch, dtype))
    (frames, ) = (v for v in case.inputs.values() if isinstance(v, np.ndarray) and v.ndim == 4)
    frames = torch.from_numpy(frames).to(getattr(torch, dtype))
    frames = frames.unflatten(0, (-1, case.settings.get('num_frames', 1)))  # (B*T, 3, H, W) -> (B, T, 3, H, W)
    with torch.no_grad():
        maps = backbone(frames)
    return {f'backbone{i}': x.flatten(0, 1).numpy() for i, x in enumerate(maps)}


def run_position_encodings(case, dtype: str) -> dict:
    """Encodings of the given masks, normalised and not; always float32."""
    del dtype
    settings = case.settings['position_encoding']
    common = {key: settings[key] for key in SINE_KEYS if key in settings and key != 'normalize'}
    masks = {key: torch.from_numpy(np.asarray(case.inputs[key])).bool()
             for key in ('mask1d', 'mask2d', 'mask3d') if key in case.inputs}
    if 'mask3d' in masks:  # (B*T, h, w) -> (B, T, h, w)
        masks['mask3d'] = masks['mask3d'].unflatten(0, (-1, case.settings['num_frames']))
    makers = {
        '1d': (TextPositionEncoding, 'features_1d'),
        '2d': (FramePositionEncoding, 'features_2d_per_axis'),
        '3d': (ClipPositionEncoding, 'features_3d_per_axis'),
    }
    out = {}
    for axes, (maker, features) in makers.items():
        if f'mask{axes}' not in masks:
            continue
        for suffix, normalize in (('', True), ('_unnormalized', False)):
            encoding = maker(num_features=settings[features], normalize=normalize, **common)
            out[f'pos{axes}{suffix}'] = encoding(masks[f'mask{axes}']).numpy()
    return out


def build_text_encoder(settings: dict) -> RobertaTextEncoder:
    """Our text encoder from the ``text_encoder`` settings of a case; its tokenizer is not used, cases hold ids."""
    numbers = {key: value for key, value in settings.items() if key != 'type'}
    if settings.get('type', 'roberta') != 'roberta':
        raise ValueError(f'text encoder of type {settings["type"]!r} is not known')
    return RobertaTextEncoder(tokenizer=PretrainedTokenizer(path=''), config=numbers)


def run_text_path(case, dtype: str) -> dict:
    """Encoder, resizer and text positions on the token ids of the case."""
    settings, kind = case.settings, getattr(torch, dtype)
    encoder = build_text_encoder(settings['text_encoder'])
    resizer = FeatureResizer(
        in_channels=encoder.out_channels,
        out_channels=settings['hidden_dim'],
        dropout=settings['resizer']['dropout'],
        norm_eps=settings['resizer']['layer_norm_eps'],
    )
    state = tensors(case.state_dict())
    encoder.load_state_dict(ROBERTA.convert(state, encoder.state_dict()).state_dict)
    resizer.load_state_dict({k.removeprefix('resizer.'): v for k, v in state.items() if k.startswith('resizer.')})
    encoder.eval().to(kind)
    resizer.eval().to(kind)
    sine = {key: value for key, value in settings['position_encoding'].items() if key in SINE_KEYS}
    positions = TextPositionEncoding(num_features=settings['hidden_dim'], **sine)
    with torch.no_grad():
        features = encoder.encode(torch.from_numpy(case.inputs['input_ids']).long(),
                                  torch.from_numpy(case.inputs['attention_mask']))
        out = {
            'roberta_last_hidden': features.words,
            'roberta_pooler': features.sentence,
            'word_features': resizer(features.words),
            'sentence_feature': resizer(features.sentence),
            'text_pos': positions(features.padding),
        }
    return {name: value.numpy() for name, value in out.items()}


HANDLERS = {
    'swin_backbone': run_backbone,
    'video_swin_backbone_long': run_backbone,
    'position_encodings': run_position_encodings,
    'text_path': run_text_path,
}


def claims(case) -> str | None:
    """The handler for a case of another name, told by what it holds."""
    if case.kind != 'module':
        return None
    names = set(case.inputs)
    if names & {'mask1d', 'mask2d', 'mask3d'} and 'position_encoding' in case.settings:
        return 'position_encodings'
    outputs = list(case.output_names)
    if 'text_encoder' in case.settings and {'input_ids', 'attention_mask'} == names:
        return 'text_path'
    if 'backbone' in case.settings and outputs and all(name.startswith('backbone') for name in outputs):
        return 'swin_backbone' if case.settings['backbone']['type'] == 'swin' else 'video_swin_backbone_long'
    return None
