"""Parity of ReferFormer's matching, losses and post-processing with recorded numbers."""

import numpy as np
import torch
from parity import UnknownCase

from mmlvs.evaluation.writers.merge import merge_scores
from mmlvs.models.losses import ReferFormerCriterion, RowTarget
from mmlvs.models.segmentors.referformer_postprocess import predict_candidates, predict_track
from mmlvs.structures import ClipCodec

PREDICTIONS = ('pred_logits', 'pred_boxes', 'pred_masks')


def _tensor(value, dtype):
    return torch.as_tensor(np.asarray(value), dtype=getattr(torch, dtype))


def _size(value):
    return tuple(int(n) for n in np.asarray(value))


def build_criterion(settings, **changed):
    """The criterion that ``case.settings['criterion']`` describes, or with some settings changed."""
    if settings.get('world_size', 1) != 1:
        raise UnknownCase(f'recorded for {settings["world_size"]} processes; this adapter runs one')
    settings = {**settings, **changed}
    focal = dict(focal_alpha=settings['focal_alpha'], focal_gamma=settings['focal_gamma'])
    weights = {name.replace('loss_', 'weight_'): value for name, value in settings['loss_weights'].items()}
    return ReferFormerCriterion(
        matcher=dict(type='ClipMatcher', **settings['matcher'], **focal), **weights, **focal,
        num_classes=settings['num_classes'], mask_stride=settings['mask_stride'],
        mask_offset=settings['mask_offset'], aux_losses=settings['aux_losses'])


def row_targets(inputs, dtype):
    """Targets of all clips, one row each."""
    rows = []
    while f'masks{len(rows)}' in inputs:
        i = len(rows)
        rows.append(RowTarget(masks=_tensor(inputs[f'masks{i}'], dtype), boxes=_tensor(inputs[f'boxes{i}'], dtype),
                              valid=_tensor(inputs[f'valid{i}'], 'bool'), label=_tensor(inputs[f'labels{i}'], 'long')))
    return rows


def batch_shape(inputs, divisor):
    """Padded (height, width) of the batch in pixels."""
    if 'padded_size' in inputs:
        return _size(inputs['padded_size'])
    return ClipCodec(pad_divisor=divisor).padded_size([_size(row) for row in inputs['sizes']])


def loss_outputs(settings, outputs, targets, shape):
    """Matches and unweighted terms of every layer, costs of the last, and the total as a tensor with gradient."""
    every_layer = build_criterion(settings, aux_losses=True)
    chosen, prepared = every_layer.prepare({k: v.detach() for k, v in outputs.items()}, targets, shape)
    matched = every_layer.match(chosen, prepared)
    total = sum(build_criterion(settings)(outputs, targets, shape).values())
    last = {name: value[-1] for name, value in chosen.items()}
    got = dict(matched_query=matched, total_loss=total.detach()[None], **every_layer.terms(chosen, prepared, matched),
               **every_layer.matcher.costs(last, prepared))
    return {name: value.numpy() for name, value in got.items()}, total


def matcher_criterion(case, dtype):
    settings = case.settings['criterion']
    outputs = {name: _tensor(case.inputs[name], dtype).requires_grad_() for name in PREDICTIONS}
    shape = batch_shape(case.inputs, settings['pad_divisor'])
    got, total = loss_outputs(settings, outputs, row_targets(case.inputs, dtype), shape)
    total.backward()
    for name, value in outputs.items():
        got[name.replace('pred_', 'grad_')] = value.grad.numpy()
    return got


def postprocessors(case, dtype):
    codec = ClipCodec(mask_stride=case.settings['mask_stride'], way_back='upsample_crop_nearest')
    logits, boxes, masks = (_tensor(case.inputs[name], dtype)[:, 0] for name in PREDICTIONS)  # B 1 q . -> B q .
    got = {}
    for i, (size, original) in enumerate(zip(case.inputs['sizes'], case.inputs['original_sizes'], strict=True)):
        way = dict(codec=codec, img_shape=_size(size), ori_shape=_size(original))
        a2d = predict_candidates(logits[i], boxes[i], masks[i], **way)  # fixed threshold there, in the reference
        image = predict_candidates(logits[i], boxes[i], masks[i], threshold=case.settings['mask_threshold'], **way)
        image = image.by_score()
        got.update({
            f'a2d_scores{i}': a2d.scores.numpy(), f'a2d_masks{i}': a2d.masks.numpy().astype(np.uint8),
            f'a2d_rle{i}': [row['counts'] for row in a2d.run_lengths()],
            f'box_scores{i}': image.scores.numpy(), f'box_labels{i}': image.labels.numpy(),
            f'boxes{i}': image.boxes.numpy(), f'segm_masks{i}': image.masks.numpy().astype(np.uint8)})
    return got


def _track(logits, masks, case, **kwargs):
    codec = ClipCodec(mask_stride=case.settings['mask_stride'], way_back='direct')
    grid = tuple(n * case.settings['mask_stride'] for n in masks.shape[-2:])
    return predict_track(logits, logits.new_zeros((*logits.shape[:2], 4)), masks, codec=codec, img_shape=grid,
                         ori_shape=_size(case.inputs['original_size']), threshold=case.settings['mask_threshold'],
                         **kwargs)


def inference_ytvos(case, dtype):
    logits, masks = (_tensor(case.inputs[name], dtype) for name in ('pred_logits', 'pred_masks'))
    track = _track(logits, masks, case)
    return dict(mean_scores=track.query_scores.numpy(), query=np.array([track.query]),
                png=track.masks.numpy().astype(np.uint8) * 255)


def inference_davis(case, dtype):
    logits, masks = (_tensor(case.inputs[name], dtype) for name in ('pred_logits', 'pred_masks'))
    step = case.settings['chunk_frames']
    queries, labels = [], []
    for start in range(0, logits.shape[1], step):
        part = slice(start, start + step)
        tracks = [_track(x[part], m[part], case, return_prob=True) for x, m in zip(logits, masks, strict=True)]
        queries.append([track.query for track in tracks])
        labels.append(merge_scores((track.prob.numpy() for track in tracks), threshold=case.settings['mask_threshold'],
                                   background=case.settings['background_score']))
    return dict(queries=np.array(queries).T, labels=np.concatenate(labels))  # chunks objects -> objects chunks


HANDLERS = {
    'matcher_criterion_binary': matcher_criterion,
    'matcher_criterion_65_classes': matcher_criterion,
    'postprocessors': postprocessors,
    'inference_ytvos': inference_ytvos,
    'inference_davis': inference_davis,
}


def claims(case):
    """Canonical name of a case that may lie under another folder name, or None."""
    names = set(case.inputs)
    if case.kind == 'loss' and set(PREDICTIONS) <= names and 'criterion' in case.settings:
        binary = case.settings['criterion']['num_classes'] == 1
        return 'matcher_criterion_binary' if binary else 'matcher_criterion_65_classes'
    if case.kind != 'postprocess':
        return None
    if 'original_sizes' in names and 'sizes' in names:
        return 'postprocessors'
    if 'original_size' in names:
        return 'inference_davis' if 'chunk_frames' in case.settings else 'inference_ytvos'
    return None
