"""IoU of key frames and A2D's candidates against the official evaluators' records."""
from pathlib import Path

import numpy as np
import pytest
import torch

from mmlvs.io.masks import decode_rle
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample
from tests.parity.parity import Case

CASES = Path(__file__).resolve().parents[2] / 'data' / 'parity' / 'metrics_rvos'


def key_frame_sample(video, expression, truth, prediction=None, candidates=None, info=None):
    """A clip of three frames whose middle one is annotated."""
    size = truth.shape
    sample = VideoSegDataSample(metainfo=dict(
        video_id=video, frame_ids=['00001', '00002', '00003'], num_frames=9, key_frames=[1], texts=['x'],
        clip=dict(index=0, is_first=True, is_last=True), expression_ids=[expression], object_ids=['1'], ori_shape=size,
        img_shape=size, expressions_info=[info or {}]))
    masks = torch.zeros(1, 3, *size, dtype=torch.uint8)
    masks[0, 1] = torch.as_tensor(truth.astype(np.uint8))
    sample.gt_masks, sample.gt_objects = masks, [[0]]
    sample.gt_annotated = torch.tensor([False, True, False])
    sample.set_prediction(torch.as_tensor(np.zeros(size) if prediction is None else prediction).bool()[None, None])
    if candidates is not None:
        sample.candidates = [[candidates]]
    return sample


@pytest.mark.parametrize(('name', 'convention'), [('refcoco_lavt', 'lavt'), ('locater', 'locater'),
                                                  ('res_ciou_giou', 'ciou_giou')])
def test_pairs(name, convention):
    case = Case(CASES / name)
    present = case.inputs.get('prediction_present')
    if present is not None and not np.all(present):
        case.inputs['predictions'] = case.inputs['predictions'][np.asarray(present, dtype=bool)]
        case.inputs['target_index'] = np.asarray(case.inputs['target_index'])[np.asarray(present, dtype=bool)]
    metric = METRICS.build(dict(type='IoUMetric', convention=convention, prefix='x'))
    samples = [key_frame_sample(f'v{k}', '0', case.inputs['targets'][target], prediction) for k, (target, prediction)
               in enumerate(zip(case.inputs['target_index'], case.inputs['predictions'], strict=True))]
    metric.process(None, samples + samples[:2])  # repetitions of a distributed sampler
    found, want = metric.evaluate(1), case.expected()
    names = ('cIoU', 'gIoU') if convention == 'ciou_giou' else ('oIoU', 'mIoU')
    recorded = ('cIoU', 'gIoU') if convention == 'ciou_giou' else ('overall_iou', 'mean_iou')
    assert found[f'x/{names[0]}'] == pytest.approx(100 * float(want[recorded[0]]), abs=1e-3)
    if present is None or np.all(present):
        assert found[f'x/{names[1]}'] == pytest.approx(100 * float(want[recorded[1]]), abs=1e-4)
    if 'precision' in want:
        precision = [found[f'x/P@{k}'] for k in (0.5, 0.6, 0.7, 0.8, 0.9)]
        assert precision == pytest.approx((100 * want['precision']).tolist())


def test_boxes():
    """P@0.5 of referring expression comprehension: the box around the objects that the frame shows."""
    sample = key_frame_sample('v', '0', np.ones((10, 20)))
    sample.gt_objects, sample.gt_masks = [[0, 1, 2]], sample.gt_masks.repeat(3, 1, 1, 1)
    boxes = torch.tensor([[2., 2., 6., 6.], [4., 3., 12., 8.], [0., 0., 0., 0.]])  # together 2, 2, 12, 8
    sample.gt_boxes = boxes[:, None].repeat(1, 3, 1)
    sample.gt_valid = torch.tensor([[True], [True], [False]]).repeat(1, 3)
    metric = METRICS.build(dict(type='IoUMetric', convention='referformer', of='box'))
    with pytest.raises(ValueError, match='pred_boxes'):
        metric.process(None, [sample])
    sample.pred_boxes = torch.tensor([[[2., 2., 12., 4.]]])  # 20 of 60 pixels
    better = key_frame_sample('w', '0', np.ones((10, 20)))
    better.gt_boxes, better.gt_valid = sample.gt_boxes[1:2], sample.gt_valid[1:2]
    better.pred_boxes = torch.tensor([[[4., 3., 12., 7.]]])  # 32 of 40
    metric.process(None, [sample, better])
    found = metric.evaluate(2)
    assert found['oIoU'] == pytest.approx(52) and found['mIoU'] == pytest.approx(100 * (1 / 3 + 0.8) / 2, abs=1e-4)
    assert (found['P@0.5'], found['P@0.7'], found['P@0.9']) == (50, 50, 0)
    with pytest.raises(ValueError, match='expected mask or box'):
        METRICS.build(dict(type='IoUMetric', of='point'))


def a2d_samples(case, name):
    """Samples of a recorded set: candidates of each image in the order of the list."""
    truth, samples = case.inputs[f'{name}__ground_truth'], []
    masks = {row['image_id']: decode_rle(row['segmentation']) for row in truth['annotations']}
    for number, row in enumerate(truth['images']):
        own = [p for p in case.inputs[f'{name}__predictions'] if p['image_id'] == row['id']]
        found = dict(scores=torch.tensor([p['score'] for p in own], dtype=torch.float64),
                     boxes=torch.zeros(len(own), 4), masks=[p['segmentation'] for p in own])
        samples.append(key_frame_sample(f'v{number}', '0', masks[row['id']], candidates=found,
                                        info={'image_id': row['id']}))
    return samples


@pytest.mark.parametrize('name', ['distinct_scores', 'tied_scores', 'jhmdb_like'])
def test_a2d(name):
    case = Case(CASES / 'a2d_jhmdb')
    metric, samples = METRICS.build(dict(type='A2DMetric')), a2d_samples(case, name)
    metric.process(None, samples[::-1] + samples[:3])
    found, want = metric.evaluate(1), case.expected()
    coco = want[f'{name}__coco_summary']
    for label, value in zip(('mAP', 'AP50', 'AP75', 'AP_small', 'AP_medium', 'AP_large'), coco, strict=False):
        if value >= 0:
            assert found[label] == pytest.approx(100 * value, abs=1e-6)
        else:
            assert np.isnan(found[label])
    assert found['oIoU'] == pytest.approx(100 * float(want[f'{name}__overall_iou']), abs=1e-6)
    assert found['mIoU'] == pytest.approx(100 * float(want[f'{name}__mean_iou']), abs=1e-5)
    assert [found[f'P@{k}'] for k in (0.5, 0.6, 0.7, 0.8, 0.9)] == pytest.approx(
        (100 * want[f'{name}__precision']).tolist())


def test_what_is_refused():
    for kind in ('IoUMetric', 'A2DMetric'):
        with pytest.raises(ValueError, match='expected one of'):
            METRICS.build(dict(type=kind, convention='mine'))
    with pytest.raises(ValueError, match='first or last'):
        METRICS.build(dict(type='A2DMetric', tie='any'))
    sample = key_frame_sample('v', '0', np.ones((4, 5)))
    with pytest.raises(ValueError, match='candidates=True'):
        METRICS.build(dict(type='A2DMetric')).process(None, [sample])
    sample.pred_masks = sample.pred_masks[..., :3]
    with pytest.raises(ValueError, match='has size'):
        METRICS.build(dict(type='IoUMetric')).process(None, [sample])
    del sample.pred_masks
    with pytest.raises(ValueError, match='no prediction'):
        METRICS.build(dict(type='IoUMetric')).process(None, [sample])
