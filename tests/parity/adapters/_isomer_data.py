"""Isomer: loading and augmentation of samples, and the way from logits to 8-bit maps."""
import numpy as np
import torch
from parity import UnknownCase

from mmlvs.datasets.transforms.geometry import flip_clip
from mmlvs.datasets.transforms.photometric import PhotometricDraw, distort_frame_in_steps
from mmlvs.models.segmentors.isomer_postprocess import soft_maps
from mmlvs.structures import ClipCodec


def _expect(settings: dict, **wanted) -> None:
    """Raise where a case asks for something that there is no switch for."""
    for name, value in wanted.items():
        if settings.get(name, value) != value:
            raise UnknownCase(f'{name} is {settings[name]!r}; only {value!r} is known')


def preprocess(case, dtype: str) -> dict[str, np.ndarray]:
    """Samples resized and normalised by the clip codec."""
    settings, out = case.settings, {}
    _expect(settings, pixel_divisor=255, mask_divisor=255, channel_order='RGB', keep_ratio=False,
            resize_backend='pillow', image_interpolation='bilinear', mask_interpolation='nearest')
    side = settings['img_size']
    codec = ClipCodec(size=(side, side), mean=tuple(settings['mean']), std=tuple(settings['std']),
                      mask_resizer='pillow')
    for sample in case.inputs['samples']:
        for stream, name in (('frame', 'image'), ('flow', 'flow')):
            resized = codec.resize_frames(case.inputs[f'{sample}/{stream}'][None], codec.size)  # 1 H W 3 -> 1 h w 3
            out[f'{sample}/{name}'] = codec.normalize(torch.from_numpy(resized).permute(0, 3, 1, 2))[0].numpy()
        mask = codec.resize_masks(case.inputs[f'{sample}/gt'][None], codec.size, codec.mask_resizer)  # 1 h w
        out[f'{sample}/target'] = mask.astype(np.float32) / 255
    return out


def augment(case, dtype: str) -> dict[str, np.ndarray]:
    """The given draws applied: flip of all three, colours of the frame."""
    _expect(case.settings, flip_direction='horizontal', channel_order='RGB', hsv_conversion='BGR2HSV',
            photometric_on=['frame'])
    out = {}
    for sample in case.inputs['samples']:
        given = dict(case.inputs[f'{sample}/parameters'])
        flip = given.pop('flip')
        results = dict(frames={name: case.inputs[key][None] for name, key in (('img', 'frame'), ('flow', 'flow'))},
                       gt_masks=case.inputs['gt'][None, None], gt_ignore=np.zeros((1, *case.inputs['gt'].shape), bool),
                       gt_boxes=np.zeros((1, 1, 4), np.float32), gt_valid=np.ones((1, 1), bool), texts=[],
                       img_shape=case.inputs['gt'].shape)
        results = flip_clip(results) if flip else results
        frame = distort_frame_in_steps(results['frames']['img'][0], PhotometricDraw(**given))
        out.update({f'{sample}/frame': frame, f'{sample}/flow': results['frames']['flow'][0],
                    f'{sample}/gt': results['gt_masks'][0, 0], f'{sample}/flip': np.array(flip)})
    return out


def postprocess(case, dtype: str) -> dict[str, np.ndarray]:
    """8-bit maps of logits."""
    settings, out = case.settings, {}
    _expect(settings, interpolate_mode='bilinear', align_corners=False, activation='sigmoid', scale=255,
            rounding='truncate', out_dtype='uint8')
    kind = torch.float32 if case.run.get('dtype') == 'float32' else getattr(torch, dtype)
    for tag in case.inputs['tags']:
        logits = torch.as_tensor(case.inputs[tag]).to(kind)[:, 0]  # 1 1 h w -> 1 h w
        size = tuple(int(n) for n in case.inputs[f'{tag}/frame_size'])
        out[tag] = soft_maps(logits, size, min_max=settings['minmax'], eps=settings['minmax_eps'])[0].numpy()
    return out


HANDLERS = dict(preprocess=preprocess, augment=augment, postprocess=postprocess)


def claims(case) -> str | None:
    """Which handler a case is for, told by its kind and inputs."""
    if case.kind == 'postprocess' and 'tags' in case.inputs:
        return 'postprocess'
    if case.kind == 'preprocess' and 'samples' in case.inputs:
        return 'augment' if 'flip_prob' in case.settings else 'preprocess'
    return None
