"""ReferFormer: data rules (clip starts, frame draws, geometry, colours) and frame preprocessing."""
import re

import numpy as np
import torch

from mmlvs.datasets.base import start_frames
from mmlvs.datasets.mask_sources import a2d_object_mask, jhmdb_frame_mask
from mmlvs.datasets.transforms.boxes import box_area, crop_boxes, flip_boxes, mask_boxes, normalise_boxes, resize_boxes
from mmlvs.datasets.transforms.geometry import visible
from mmlvs.datasets.transforms.photometric import PhotometricDraw, distort_frame
from mmlvs.datasets.transforms.sampling import centred_window, global_draw, local_frames
from mmlvs.datasets.transforms.text import clean_text, exchange_substrings
from mmlvs.structures import ClipCodec


def preprocess(case, dtype: str) -> dict[str, np.ndarray]:
    """Frames resized and normalised by the clip codec."""
    out = {}
    for name, frame in case.inputs.items():
        match = re.fullmatch(r'frame(.*)', name)
        if not match:
            continue
        codec = ClipCodec(short_side=int(case.inputs[f'short_side{match[1]}']), mean=tuple(case.settings['mean']),
                          std=tuple(case.settings['std']))
        resized = codec.resize_frames(frame[None], codec.target_size(frame.shape[:2]))  # 1 H W 3 -> 1 h w 3
        tensor = torch.from_numpy(resized).permute(0, 3, 1, 2)  # 1 h w 3 -> 1 3 h w
        out[f'resized{match[1]}'] = resized[0]
        out[f'normalised{match[1]}'] = codec.normalize(tensor)[0].numpy()
    return out


def data_rules(case, dtype: str) -> dict:
    """All rules of the case, each from the inputs of its own prefix."""
    return {**_clip_starts(case), **_ytvos(case), **_a2d(case), **_jhmdb(case), **_sizes(case), **_operations(case),
            **_photometric(case)}


def _width(case, name: str, rows: list[list[int]]) -> int:
    shape = (case.output_rows.get(name) or {}).get('shape')
    return max([len(r) for r in rows], default=0) if not shape else shape[1]


def _padded(case, name: str, rows: list[list[int]]) -> np.ndarray:
    width = _width(case, name, rows)
    out = np.full((len(rows), width), case.settings.get('frame_padding', -1), dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, :len(row)] = row
    return out


def _clip_starts(case) -> dict:
    lengths = case.inputs['video_lengths']
    out = {}
    for n in case.settings['num_frames']:
        starts = [[v, start] for v, length in enumerate(lengths) for start in start_frames(int(length), n)]
        out[f'clip_starts_{n}'] = np.array(starts, dtype=np.int64)
    return out


def _draw(start: int, length: int, num_frames: int, local: np.ndarray, positions: np.ndarray) -> list[int]:
    """Sorted frames for given draws; none if the video is too short, where the reference fails."""
    if local[0] < 0:
        return [start]
    frames = local_frames(start, length, int(local[0]), int(local[1]))
    if num_frames > 3:
        try:
            draw = global_draw(frames, length, num_frames - 3, repeat=False)
        except ValueError:
            return []
        frames += [*draw.fixed, *(draw.pool[int(p)] for p in positions[:draw.count])]
    return sorted(frames)


def _ytvos(case) -> dict:
    sampled = []
    for (n, length, start, _), local, positions in zip(
            case.inputs['ytvos_rows'].tolist(), case.inputs['ytvos_local'], case.inputs['ytvos_global'], strict=True):
        sampled.append((n, _draw(start, length, n, local, positions)))
    mask = (case.inputs['ytvos_mask'] == int(case.inputs['ytvos_object'])).astype(np.uint8)
    return dict(ytvos_sampled=_padded(case, 'ytvos_sampled', [s for _, s in sampled]),
                ytvos_used=_padded(case, 'ytvos_used', [s[:n] for n, s in sampled]),
                ytvos_box=mask_boxes(mask)[0], ytvos_clean_caption=clean_text(case.inputs['ytvos_caption']))


def _a2d(case) -> dict:
    sampled, position = [], []
    rows = case.inputs['a2d_rows'].tolist()
    for (n, train, frame, length, _), local, positions in zip(
            rows, case.inputs['a2d_local'], case.inputs['a2d_global'], strict=True):
        drawn = _draw(frame - 1, length, n, local, positions) if train else centred_window(frame - 1, length, n)
        sampled.append(drawn)
        position.append(drawn.index(frame - 1) if drawn else case.settings.get('frame_padding', -1))
    instance = int(case.inputs['a2d_instance'])
    mask = a2d_object_mask(case.inputs['a2d_reMask'], case.inputs['a2d_instance_ids'], instance)[None]  # 1 H W
    return dict(a2d_sampled=_padded(case, 'a2d_sampled', sampled), a2d_valid_index=np.array(position),
                a2d_box=mask_boxes(mask)[0][0], a2d_mask_shape=np.array(mask.shape), a2d_mask_sum=mask.sum((1, 2)),
                a2d_image_ids=[f'v_{case.inputs["a2d_video"]}_f_{row[2]}_i_{instance}' for row in rows],
                a2d_clean_caption=clean_text(case.inputs['a2d_caption']))


def _jhmdb(case) -> dict:
    sampled, position, boxes = [], [], []
    rows = case.inputs['jhmdb_rows'].tolist()
    for n, frame, length in rows:
        window = [p + 1 for p in centred_window(frame - 1, length, n)]
        sampled.append(window)
        position.append(window.index(frame))
        boxes.append(mask_boxes(jhmdb_frame_mask(case.inputs['jhmdb_part_mask'], frame))[0])
    return dict(jhmdb_sampled_1based=_padded(case, 'jhmdb_sampled_1based', sampled),
                jhmdb_valid_index=np.array(position), jhmdb_box=boxes[0],
                jhmdb_image_ids=[f'v_{case.inputs["jhmdb_video"]}_f_{row[1]}' for row in rows])


def _sizes(case) -> dict:
    sizes = [ClipCodec(short_side=short, max_long_side=None if longest < 0 else longest).target_size((height, width))
             for width, height, short, longest in case.inputs['resize_rows'].tolist()]
    return dict(resize_sizes=np.array(sizes, dtype=np.int64))


def _operations(case) -> dict:
    given = case.inputs
    masks, boxes, valid = given['op_masks'], given['op_boxes'], np.asarray(given['op_valid'])
    size = masks.shape[-2:]
    out = {}

    def record(name: str, boxes: np.ndarray, masks: np.ndarray, valid: np.ndarray, **more: np.ndarray) -> None:
        out.update({f'{name}_boxes': boxes, f'{name}_mask_sums': masks.sum((1, 2), dtype=np.int64),
                    f'{name}_mask_shape': np.array(masks.shape), f'{name}_size': np.array(masks.shape[-2:]),
                    f'{name}_valid': np.asarray(valid, dtype=np.int64)}, **{f'{name}_{k}': v for k, v in more.items()})

    short = int(given['op_resize_short'])
    codec = ClipCodec(short_side=short)
    new_size = codec.target_size(size)
    resized = codec.resize_masks(masks, new_size)
    record('op_resize', resize_boxes(boxes, size, new_size), resized, valid)
    out[f'op_resize_short{short}_masks'] = resized > 0

    flipped = masks[..., ::-1]
    record('op_hflip', flip_boxes(boxes, size[1]), flipped, valid)
    out.update(op_hflip_masks=flipped, op_hflip_caption=exchange_substrings(given['op_caption']))

    top, left, height, width = (int(v) for v in given['op_crop_region'])
    cut = masks[:, top:top + height, left:left + width]
    cut_boxes = crop_boxes(boxes, top, left, height, width)
    area = box_area(cut_boxes)
    record('op_crop', cut_boxes, cut, valid, area=area)
    seen = visible(cut_boxes, cut, 'boxes')
    record('op_check', cut_boxes * seen[:, None], cut, seen, area=area)
    record('op_image_crop', cut_boxes[seen], cut[seen], valid, area=area[seen],
           labels=np.asarray(given['op_labels'])[seen], iscrowd=np.asarray(given['op_iscrowd'])[seen])
    out['op_normalised_boxes'] = normalise_boxes(boxes, size)
    return out


def _photometric(case) -> dict:
    out = {}
    for name, draws in case.inputs.items():
        match = re.fullmatch(r'(photo_.+)_draws', name)
        if match:
            order = draws['channel_order']
            draw = PhotometricDraw(**{**draws, 'channel_order': None if order is None else tuple(order)})
            out[match[1]] = distort_frame(case.inputs['photo'], draw, overflow='wrap')
    return out


HANDLERS = dict(data_rules=data_rules, preprocess=preprocess)


def claims(case) -> str | None:
    """Canonical name of a case under another folder name: by its kind and the inputs that only it has."""
    if {'ytvos_rows', 'resize_rows', 'op_masks'} <= set(case.inputs):
        return 'data_rules'
    if case.kind == 'preprocess' and {'frame0', 'short_side0'} <= set(case.inputs):
        return 'preprocess'
    return None
