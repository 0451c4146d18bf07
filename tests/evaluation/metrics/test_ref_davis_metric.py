"""Ref-DAVIS over four annotators, clip by clip, against the official evaluator's record."""
from pathlib import Path

import numpy as np
import pytest
import torch

from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample
from tests.parity.parity import Case

CASE = Path(__file__).resolve().parents[2] / 'data' / 'parity' / 'metrics_rvos' / 'ref_davis'


def clip(case, name, first, last, index):
    truth = case.inputs[f'{name}__truth']
    scores = np.stack([case.inputs[f'{name}__anno_{k}__scores'] for k in range(4)], axis=1)  # (O, 4, T, H, W)
    objects = max(int(truth[truth != 255].max()), len(scores))
    prob = scores.reshape(-1, *scores.shape[2:])[:, first:last]  # (O, 4, T, H, W) -> (4 O, T, H, W)
    sample = VideoSegDataSample(metainfo=dict(
        video_id=name, frame_ids=[f'{t:05d}' for t in range(first, last)], num_frames=len(truth),
        clip=dict(index=index, is_first=first == 0, is_last=last == len(truth)), key_frames=list(range(last - first)),
        texts=['x'] * len(prob), expression_ids=[str(k) for k in range(len(prob))],
        object_ids=[str(k + 1) for k in range(objects)], ori_shape=truth.shape[1:], img_shape=truth.shape[1:]))
    part = truth[first:last]
    sample.gt_masks = torch.as_tensor(np.stack([part == k + 1 for k in range(objects)]).astype(np.uint8))
    sample.gt_ignore = torch.as_tensor(part == 255)
    sample.gt_annotated = torch.ones(len(part), dtype=torch.bool)
    sample.set_prediction(torch.as_tensor(prob > 0.5))
    sample.pred_prob = torch.as_tensor(prob)
    return sample


def test_record_of_the_official_evaluator(tmp_path):
    case = Case(CASE)
    metric = METRICS.build(dict(type='RefDavisMetric', toolkit_exact=True, output_dir=str(tmp_path)))
    for name in case.inputs['sequences']:
        length = len(case.inputs[f'{name}__truth'])
        for first, last, index in ((2, length, 1), (0, 2, 0), (2, length, 1)):
            metric.process(None, [clip(case, name, first, last, index)])
    found, want = metric.evaluate(1), case.expected()
    assert found['J&F'] == pytest.approx(100 * float(want['average__JF_mean']), abs=1e-4)
    for name in 'JF':
        mean, recall, decay = 100 * want[f'average__{name}_statistics']
        assert [found[name], found[f'{name}-Recall'], found[f'{name}-Decay']] == pytest.approx([mean, recall, decay],
                                                                                              abs=1e-4)
    for k in range(4):
        assert found[f'anno_{k}/J&F'] == pytest.approx(100 * float(want[f'anno_{k}__JF_mean']), abs=1e-4)
    assert (tmp_path / 'per_object.csv').read_text().startswith('set,video,object,prediction,J,F')


def test_fixed_indices_and_what_is_refused():
    case = Case(CASE)
    sample = clip(case, 'blackswan', 0, 2, 0)
    matched, fixed = (METRICS.build(dict(type='RefDavisMetric', matching=flag)) for flag in (True, False))
    with pytest.raises(RuntimeError, match='every clip of a video'):
        matched.process(None, [sample])
        matched.evaluate(1)
    whole = clip(case, 'kite-surf', 0, len(case.inputs['kite-surf__truth']), 0)
    results = []
    for metric in (METRICS.build(dict(type='RefDavisMetric')), fixed):
        metric.process(None, [whole])
        results.append(metric.evaluate(1)['J&F'])
    assert results[0] >= results[1]
    del sample.pred_prob
    with pytest.raises(ValueError, match='pred_prob'):
        fixed.process(None, [sample])
    whole.set_metainfo(dict(object_ids=['a', 'b', 'c']))
    with pytest.raises(ValueError, match='expected the numbers'):
        fixed.process(None, [whole])
