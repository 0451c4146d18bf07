"""MeViS, Long-RVOS and ReVOS metrics, fed clip by clip with repetitions, against the official evaluators' records."""
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mmlvs.io.masks import decode_rle
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample
from tests.parity.parity import Case

CASES = Path(__file__).resolve().parents[2] / 'data' / 'parity' / 'metrics_rvos'


def sample_of(video, expression, prediction, instances, info=None, start=0, total=None, index=0, text='x'):
    """One clip of one expression with its instances (O, T, H, W)."""
    length, size = prediction.shape[0], prediction.shape[1:]
    sample = VideoSegDataSample(metainfo=dict(
        video_id=video, frame_ids=[f'{start + t:05d}' for t in range(length)], num_frames=total or length,
        clip=dict(index=index, is_first=start == 0, is_last=True), key_frames=list(range(length)), texts=[text],
        expression_ids=[expression], object_ids=[str(k) for k in range(len(instances))], ori_shape=size, img_shape=size,
        expressions_info=[info or {}]))
    sample.gt_masks = torch.as_tensor(instances.astype(np.uint8))
    sample.gt_objects = [list(range(len(instances)))]
    sample.gt_annotated = torch.ones(length, dtype=torch.bool)
    sample.gt_ignore = torch.zeros(length, *size, dtype=torch.bool)
    sample.set_prediction(torch.as_tensor(prediction > 0)[None])
    return sample


def run(metric, tracks):
    """Feed every track in two clips, the second one first and twice."""
    for video, expression, prediction, instances, info in tracks:
        half, total = len(prediction) // 2, len(prediction)
        for first, last, index in ((half, total, 1), (0, half, 0), (half, total, 1)):
            metric.process(None, [sample_of(video, expression, prediction[first:last], instances[:, first:last], info,
                                            first, total, index)])
    return metric.evaluate(1)


def instances_of(case, row, length, size):
    """(O, T, H, W) of an expression whose masks are run lengths."""
    expression = case.inputs['meta_expressions']['videos'][row['video']]['expressions'][row['expression']]
    out = np.zeros((len(expression['anno_id']), length, *size), np.uint8)
    for masks, instance in zip(out, expression['anno_id'], strict=True):
        for mask, code in zip(masks, case.inputs['mask_dict'][str(instance)], strict=True):
            if code is not None:
                mask[:] = decode_rle(code)
    return out


def test_long_rvos_numbers():
    case = Case(CASES / 'long_rvos')
    tracks = [(row['video'], row['expression'], case.inputs.get(row.get('prediction'), np.zeros_like(
        case.inputs[row['truth']])), case.inputs[row['truth']][None], {'type': row['type']})
        for row in case.inputs['tracks']]
    found, want = run(METRICS.build(dict(type='LongRVOSMetric')), tracks), case.expected()
    for name in ('J', 'F', 'tIoU', 'vIoU'):
        assert found[name] == pytest.approx(100 * want[f'overall__{name}_mean'], abs=1e-4)
        assert found[f'type/static/{name}'] == pytest.approx(100 * want[f'static__{name}_mean'], abs=1e-4)


def test_revos_numbers(tmp_path):
    case = Case(CASES / 'revos')
    foreground = tmp_path / 'mask_dict_foreground.json'
    foreground.write_text(json.dumps(case.inputs['mask_dict_foreground']))
    tracks = [(row['video'], row['expression'], prediction,
               instances_of(case, row, len(prediction), prediction.shape[1:]), {'type_id': row['type']})
              for row in case.inputs['tracks'] for prediction in [case.inputs[row['prediction']]]]
    metric = METRICS.build(dict(type='ReVOSMetric', foreground=str(foreground), output_dir=str(tmp_path / 'out')))
    found, want = run(metric, tracks), case.expected()
    for name, other in (('J', 'J'), ('F', 'F'), ('J&F', 'JF'), ('A', 'A'), ('R', 'R')):
        assert found[name] == pytest.approx(float(want[f'overall__{other}_mean']), abs=1e-6)
        assert found[f'reasoning/{name}'] == pytest.approx(float(want[f'reason__{other}_mean']), abs=1e-6)
    assert (tmp_path / 'out' / 'per_expression.csv').read_text().splitlines()[0].endswith('A,R')
    without = run(METRICS.build(dict(type='ReVOSMetric', decimals=None)), tracks)
    assert 'R' not in without and without['J'] == pytest.approx(found['J'], abs=0.01) and without['J'] != found['J']
    with pytest.raises(FileNotFoundError, match='robustness R'):
        METRICS.build(dict(type='ReVOSMetric', foreground=str(tmp_path / 'absent.json')))


def test_mevis_numbers():
    case = Case(CASES / 'mevis')
    rows = [row for row in case.inputs['tracks'] if row.get('prediction') in case.inputs]
    places = [k for k, row in enumerate(case.inputs['tracks']) if row in rows]
    tracks = [(row['video'], row['expression'], prediction, instances_of(case, row, len(prediction),
                                                                         prediction.shape[1:]), None)
              for row in rows for prediction in [case.inputs[row['prediction']]]]
    found, want = run(METRICS.build(dict(type='MeViSMetric')), tracks), case.expected()
    for name in 'JF':
        assert found[name] == pytest.approx(100 * want[f'{name}_per_expression'][places].mean(), abs=1e-4)


def test_expressions_without_target():
    empty, full = np.zeros((4, 12, 16), np.uint8), np.ones((4, 12, 16), np.uint8)
    none = np.zeros((0, 4, 12, 16), np.uint8)
    tracks = [('v', '0', empty, none, None), ('v', '1', full, none, None), ('v', '2', full, full[None], None)]
    found = run(METRICS.build(dict(type='MeViSMetric')), tracks)
    assert found['N-acc'] == 50 and found['T-acc'] == 100
    assert found['J'] == pytest.approx(100 * 2 / 3)
    assert 'N-acc' not in run(METRICS.build(dict(type='MeViSMetric')), tracks[2:])
    typed = [(*track[:4], {'type_id': kind}) for track, kind in zip(tracks, (2, 2, 0), strict=True)]
    found = run(METRICS.build(dict(type='ReVOSMetric')), typed)
    assert found['J'] == 100 and found['N-acc'] == 50 and 'reasoning/J' not in found
    with pytest.raises(RuntimeError, match='type_id 0 or 1'):
        run(METRICS.build(dict(type='ReVOSMetric')), typed[:2])
