"""Saliency and zero-shot J and F from one run, against the recorded evaluators."""
import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample
from tests.parity.parity import Case

CASES = Path(__file__).resolve().parents[2] / 'data' / 'parity'


@pytest.fixture
def said(monkeypatch):
    """What the metric logs."""
    texts = []
    monkeypatch.setattr('mmlvs.evaluation.metrics.saliency_metric.print_log', lambda text, **_: texts.append(text))
    return texts


def clip(video, prediction, truth, first, index, total):
    length, size = len(truth), truth.shape[1:]
    sample = VideoSegDataSample(metainfo=dict(
        video_id=video, frame_ids=[f'{first + t:05d}' for t in range(length)], num_frames=total, expression_ids=['0'],
        clip=dict(index=index, is_first=first == 0, is_last=True), key_frames=list(range(length)), object_ids=['1'],
        ori_shape=size, img_shape=size))
    sample.gt_masks, sample.gt_objects = torch.as_tensor(truth)[None], [[0]]
    sample.gt_annotated = torch.ones(length, dtype=torch.bool)
    sample.set_prediction(torch.as_tensor(prediction > 128)[None])
    sample.pred_soft = torch.as_tensor(prediction)[None]
    return sample


def run(metric, case, scale=1):
    for video in case.inputs['videos']:
        prediction, truth = case.inputs[f'{video}/pred'], case.inputs[f'{video}/gt'] * np.uint8(scale)
        if prediction.shape != truth.shape:
            continue
        half, total = len(truth) // 2, len(truth)
        for first, last, index in ((half, total, 1), (0, half, 0), (0, half, 0)):
            metric.process(None, [clip(video, prediction[first:last], truth[first:last], first, index, total)])
    return metric.evaluate(1)


def test_isomer_protocol():
    case = Case(CASES / 'metrics_sod' / 'sequences')
    found = run(METRICS.build(dict(type='SaliencyMetric', protocol='isomer', zvos=False, weighted=False)), case)
    columns = case.settings['protocols']['isomer_use_flow_True']['columns']
    assert [found[name] for name in columns] == pytest.approx(
        case.expected()['dataset/isomer_use_flow_True'].tolist(), abs=1e-5)
    assert 'wF' not in found and 'J' not in found


def test_zero_shot_scores_of_the_same_run(tmp_path, said):
    case = Case(CASES / 'metrics_vos' / 'sequences')
    same = [v for v in case.inputs['videos'] if case.inputs[f'{v}/pred'].shape == case.inputs[f'{v}/gt'].shape]
    found = run(METRICS.build(dict(type='SaliencyMetric', output_dir=str(tmp_path))), case, scale=255)
    (text, ) = said
    assert 'Segmentation (ZVOS): maps above level 128' in text and f'{found["J"]:.1f}' in text
    assert ("Saliency (VSOD), protocol 'standard': maps stretched to 0..1 frame by frame; truth above level 128; all "
            f'frames; mean over the frames of all videos. {len(same)} videos') in text
    recorded = case.expected()['isomer/head0_tail0/videos']  # (videos, J and F, statistics)
    want = np.mean([recorded[case.inputs['videos'].index(video)] for video in same], axis=0)
    for letter, row in zip('JF', want, strict=True):
        assert [found[name] for name in (letter, f'{letter}-Recall', f'{letter}-Decay')] == pytest.approx(
            (100 * row).tolist(), abs=1e-9)
    assert 0 <= found['wF'] <= 1 and found['J&F'] == pytest.approx((found['J'] + found['F']) / 2)
    table = (tmp_path / 'per_video_standard.csv').read_text().splitlines()
    assert table[0].startswith('video,frames,standard/MAE,standard/S,J,J-Recall') and len(table) == 1 + len(same)
    with pytest.raises(ValueError, match='soft_truth=False'):
        run(METRICS.build(dict(type='SaliencyMetric')), case)
    assert run(METRICS.build(dict(type='SaliencyMetric', soft_truth=False)), case)['MAE'] == pytest.approx(found['MAE'])


def test_videos_are_listed_by_the_protocol(tmp_path):
    """The evaluator of Isomer leaves out the first and the last frame of each video, in its table too."""
    case = Case(CASES / 'metrics_sod' / 'sequences')
    found = run(METRICS.build(dict(type='SaliencyMetric', protocol='isomer', output_dir=str(tmp_path))), case)
    with open(tmp_path / 'per_video_isomer.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert [row['video'] for row in rows] == sorted(case.inputs['videos'])
    for name in ('MAE', 'S'):
        assert np.mean([float(row[f'isomer/{name}']) for row in rows]) == pytest.approx(found[name], abs=1e-4)


def test_a_video_too_short_for_the_protocol_keeps_its_j_and_f(said, tmp_path):
    """Two frames are the first and the last: Isomer's evaluator counts neither."""
    rng = np.random.default_rng(0)
    truth = (rng.random((4, 20, 30)) > 0.5) * np.uint8(255)
    metric = METRICS.build(dict(type='SaliencyMetric', protocol='isomer', weighted=False, output_dir=str(tmp_path)))
    alone = METRICS.build(dict(type='SaliencyMetric', protocol='isomer', weighted=False))
    short = clip('short', truth[:2] // 2, truth[:2], 0, 0, 2)
    metric.process(None, [clip('long', truth, truth, 0, 0, 4), short])
    alone.process(None, [clip('long', truth, truth, 0, 0, 4)])
    found, expected = metric.evaluate(2), alone.evaluate(1)
    assert [found[n] for n in ('MAE', 'maxF', 'S')] == [expected[n] for n in ('MAE', 'maxF', 'S')]
    assert found['J'] == expected['J'] / 2 == 50  # level 127 is not above 128
    assert 'of so few frames' in said[0] and '(short)' in said[0]
    assert (tmp_path / 'per_video_isomer.csv').read_text().splitlines()[2].startswith('short,2,nan,nan,0.0000')
    metric.process(None, [short])
    found = metric.evaluate(1)
    assert np.isnan(found['MAE']) and np.isnan(found['S']) and found['J'] == 0


def test_decay_of_long_videos(said):
    """The script keeps the limits of its parts in 8 bits."""
    truth = np.full((300, 2, 4), 255, np.uint8)
    soft = truth.copy()
    soft[150:, :, :2] = 0
    decay = {}
    for exact in (False, True):
        metric = METRICS.build(dict(type='SaliencyMetric', toolkit_exact=exact, weighted=False))
        metric.process(None, [clip('v', soft, truth, 0, 0, 300)])
        decay[exact] = metric.evaluate(1)['J-Decay']
    assert decay[False] == pytest.approx(50) and np.isnan(decay[True])


def test_frames_without_s_are_named(said):
    truth = np.zeros((3, 20, 30), np.uint8)
    truth[:, 0] = 255  # centred on the first row
    metric = METRICS.build(dict(type='SaliencyMetric', protocol='isomer', weighted=False))
    metric.process(None, [clip('v', truth // 2, truth, 0, 0, 3)])
    assert np.isnan(metric.evaluate(1)['S'])
    assert "gives no S for 3 frames, e.g. ['v/0/00000', 'v/0/00001', 'v/0/00002']" in said[0]
    with pytest.raises(ValueError, match='expected one of'):
        METRICS.build(dict(type='SaliencyMetric', protocol='mine'))
