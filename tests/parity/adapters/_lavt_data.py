"""Parity of what LAVT takes from data and of its evaluation: tokens, clips, masks, sizes, scores, submissions."""

import json
import random
import tempfile
from pathlib import Path

import numpy as np
import torch

from mmlvs.datasets.mask_sources import CocoMasks
from mmlvs.datasets.transforms.sampling import centred_window, global_draw, local_frames
from mmlvs.evaluation.functional.referring import IoUConvention, iou_summary, mask_areas
from mmlvs.models.segmentors.lavt import foreground
from mmlvs.models.text_encoders import PretrainedTokenizer
from mmlvs.structures import ClipCodec


def tokens(case, dtype):
    settings, out = case.settings, {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'vocab.txt').write_text('\n'.join(case.inputs['vocab']) + '\n', encoding='utf-8')
        Path(folder, 'tokenizer_config.json').write_text(json.dumps(dict(
            tokenizer_class='BertTokenizer', do_lower_case=settings['do_lower_case'],
            strip_accents=settings['strip_accents'])), encoding='utf-8')
        for length in settings['max_tokens']:
            tokenizer = PretrainedTokenizer(path=folder, max_length=length, keep_end=False, clean=False)
            found = tokenizer.tokens(case.inputs['texts'])
            spare = length - found.ids.shape[1]
            ids = torch.nn.functional.pad(found.ids, (0, spare), value=settings['pad_id'])
            out[f'ids_{length}'] = ids.numpy()
            out[f'mask_{length}'] = torch.nn.functional.pad(found.mask.long(), (0, spare)).numpy()
    return out


def python_draw(start, length, num_frames, seed):
    """Frames of a training clip with the draws of Python's generator, as the authors' loaders take them."""
    random.seed(seed)
    if num_frames == 1:
        return [start]
    before, after = random.randint(1, 3), random.randint(1, 3)
    frames = local_frames(start, length, before, after)
    if num_frames > 3:
        draw = global_draw(frames, length, num_frames - 3)
        frames += [*(draw.pool[p] for p in random.sample(range(len(draw.pool)), draw.count)), *draw.fixed]
    return sorted(frames)


def padded(case, name, rows):
    out = np.full(case.output_rows[name]['shape'], -1, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, :len(row)] = row
    return out


def clip_sampling(case, dtype):
    train = [(row, row['annotated_frame'] - 1) for row in case.inputs.get('a2d_train', [])]
    train = [(python_draw(key, row['video_len'], row['num_frames'], row['python_random_seed']), key)
             for row, key in train]
    test = [(centred_window(row['annotated_frame'] - 1, row['video_len'], row['clip_length']),
             row['annotated_frame'] - 1) for row in case.inputs.get('a2d_test', [])]
    videos = [python_draw(row['start_frame'], row['video_len'], row['num_frames'], row['python_random_seed'])
              for row in case.inputs.get('ytvos_train', [])]
    found = dict(a2d_train_indices=[frames for frames, _ in train], a2d_test_indices=[frames for frames, _ in test],
                 ytvos_train_indices=videos)
    out = {name: padded(case, name, rows) for name, rows in found.items() if name in case.output_names}
    for name, rows in (('a2d_train', train), ('a2d_test', test)):
        out[f'{name}_valid_index'] = np.asarray([frames.index(key) for frames, key in rows], dtype=np.int64)
    return out


def refcoco_mask(case, dtype):
    height, width = (int(n) for n in case.inputs['size'])
    annotations = {str(i): dict(id=str(i), segmentation=polygons, iscrowd=0, bbox=[0, 0, width, height])
                   for i, polygons in enumerate(case.inputs['polygons'])}
    out, target = {}, (case.settings['img_size'], ) * 2
    for rule, name in (('count', 'sum'), ('drop', 'target')):
        masks = CocoMasks(annotations=annotations, sizes={i: (height, width) for i in annotations}, overlap=rule,
                          source='case')
        for i in annotations:
            value = masks.read(i, '0', 0, [i]).objects[0]
            out[f'{name}_{i}'] = value if rule == 'count' else ClipCodec.resize_masks(value, target, 'pillow')
    return out


def preprocess(case, dtype):
    settings, out = case.settings, {}
    for size in settings['sizes']:
        codec = ClipCodec(size=(size, size), mean=tuple(settings['mean']), std=tuple(settings['std']))
        frame = codec.resize_frames(case.inputs['image'][None], codec.target_size(case.inputs['image'].shape[:2]))
        frame = codec.normalize(torch.from_numpy(frame).permute(0, 3, 1, 2))  # 1 H W 3 -> 1 3 H W
        out[f'image_{size}'] = frame[0].numpy()
        out[f'mask_{size}'] = ClipCodec.resize_masks(case.inputs['mask'], (size, size), 'pillow')
    return out


def metrics(case, dtype):
    settings, inputs = case.settings, case.inputs
    convention = IoUConvention(closed=settings['threshold_closed'], empty_value=settings['empty_union_iou'],
                               thresholds=tuple(settings['thresholds']))
    inter, union = mask_areas(inputs['preds'], inputs['targets'][inputs['target_of_pred']])
    test, chosen = iou_summary(inter, union, convention), inputs['val_preds']
    val = iou_summary(inter[chosen], union[chosen], convention)
    batch_i, batch_u = inter[chosen].sum(), union[chosen].sum()
    return dict(I=inter, U=union, iou=test.iou, test_mean_iou=100 * test.mean_iou,
                test_overall_iou=100 * test.overall_iou, test_precision=100 * test.precision,
                val_mean_iou=100 * val.mean_iou, val_overall_iou=100 * val.overall_iou, batch_I=batch_i,
                batch_U=batch_u, batch_iou=batch_i / batch_u if batch_u else settings['empty_union_iou'])


def submission(case, dtype):
    size = tuple(int(n) for n in case.inputs['original_size'])
    logits = torch.as_tensor(np.asarray(case.inputs['logits']), dtype=getattr(torch, case.run['dtype']))
    return dict(png=foreground(logits, size)[0].numpy().astype(np.uint8) * case.settings['foreground'])


def claims(case):
    """The handler of a case, told by what it holds."""
    names = set(case.inputs)
    found = ((tokens, {'texts', 'vocab'}), (refcoco_mask, {'polygons', 'size'}), (preprocess, {'image', 'mask'}),
             (metrics, {'preds', 'targets'}), (submission, {'logits', 'original_size'}))
    for handler, wanted in found:
        if wanted <= names:
            return handler
    return clip_sampling if names & {'a2d_train', 'a2d_test', 'ytvos_train'} else None
