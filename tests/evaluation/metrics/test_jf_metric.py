"""JFMetric: means, groups, baselines, tables, and what it refuses."""
import csv

import numpy as np
import pytest
import torch

from mmlvs.evaluation import JFMetric
from mmlvs.evaluation.functional.davis import track_scores
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample

SIZE = (24, 40)


def boxes(frames, x, width=10):
    masks = torch.zeros(frames, *SIZE, dtype=torch.bool)
    for t in range(frames):
        masks[t, 4:16, x + t:x + t + width] = True
    return masks


def clip(video='v', start=0, stop=4, index=0, num_frames=4, info=None, **meta):
    """Two objects and two expressions; the first prediction is right, the second shows the wrong object."""
    objects = torch.stack([boxes(num_frames, 2), boxes(num_frames, 22, 6)])[:, start:stop]  # O T H W
    length = objects.shape[1]
    sample = VideoSegDataSample(metainfo=dict(
        video_id=video, frame_ids=[f'{t:05d}' for t in range(start, stop)], num_frames=num_frames,
        clip=dict(index=index, is_first=start == 0, is_last=stop == num_frames), key_frames=list(range(length)),
        texts=['left', 'the thing on the right'], expression_ids=['0', '1'], object_ids=['1', '2'], ori_shape=SIZE,
        img_shape=SIZE, expressions_info=info or [{'clue_type': 'static'}, {'clue_type': 'motion'}]) | meta)
    sample.gt_masks, sample.gt_objects = objects.to(torch.uint8), [[0], [1]]
    sample.gt_annotated = torch.ones(length, dtype=torch.bool)
    sample.gt_ignore = torch.zeros(length, *SIZE, dtype=torch.bool)
    sample.set_prediction(torch.stack([objects[0], objects[0]])[:, sample.scored_frames])
    return sample


def evaluate(metric, *samples):
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def table(path):
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def test_means_over_frames_then_expressions():
    found = evaluate(METRICS.build(dict(type='JFMetric', prefix='val')), clip())
    j, f = track_scores(boxes(4, 2).numpy(), boxes(4, 22, 6).numpy())
    assert found['val/J'] == pytest.approx(100 * (1 + j.mean()) / 2)
    assert found['val/F'] == pytest.approx(100 * (1 + f.mean()) / 2)
    assert found['val/J&F'] == pytest.approx((found['val/J'] + found['val/F']) / 2)
    assert set(found) == {'val/J', 'val/F', 'val/J&F'}


def test_clips_and_their_order_and_repetition_do_not_matter():
    whole = evaluate(JFMetric(), clip())
    parts = evaluate(JFMetric(), clip(start=2, index=1), clip(stop=2), clip(start=2, index=1))
    assert parts == pytest.approx(whole)


def test_groups_baselines_and_tables(tmp_path):
    metric = JFMetric(group_by=['clue_type'], baselines=['largest', 'random', 'all'], output_dir=str(tmp_path))
    found = evaluate(metric, clip(), clip('w'))
    assert found['clue_type/static/J&F'] == 100 and found['clue_type/motion/J'] == 0
    assert found['baseline_largest/J'] == 50  # the first object is the larger one: right once in two
    assert found['baseline_all/J'] == pytest.approx(50 * (10 / 16 + 6 / 16))
    assert found['baseline_random/J'] == 50  # one of two objects, whichever is drawn
    lines = table(tmp_path / 'per_expression.csv')
    assert [(row['video'], row['expression']) for row in lines] == [('v', '0'), ('v', '1'), ('w', '0'), ('w', '1')]
    assert lines[1]['text'] == 'the thing on the right' and lines[1]['frames'] == '4' and lines[0]['J'] == '100.0000'
    assert lines[1]['clue_type'] == 'motion' and float(lines[1]['largest J']) == 0
    videos = table(tmp_path / 'per_video.csv')
    assert [row['video'] for row in videos] == ['v', 'w'] and videos[0]['expressions'] == '2'
    assert float(videos[0]['J&F']) == pytest.approx(found['J&F'], abs=1e-4)
    assert [row['clue_type'] for row in table(tmp_path / 'per_clue_type.csv')] == ['motion', 'static']
    assert not [p for p in tmp_path.iterdir() if p.suffix != '.csv']


def test_an_expression_may_be_in_several_groups_or_in_none():
    info = [{'clue_type': ['static', 'relation']}, {}]
    found = evaluate(JFMetric(group_by=['clue_type']), clip(info=info))
    assert found['clue_type/relation/J'] == 100 and found['clue_type/none/J'] == 0
    with pytest.raises(RuntimeError, match='colour'):
        evaluate(JFMetric(group_by=['colour']), clip())


def test_void_and_frame_selection_and_tolerance():
    sample = clip()
    wrong = sample.pred_masks.clone()
    wrong[:, 0] = False
    sample.pred_masks = wrong
    inner = evaluate(JFMetric(frames='skip_first_last'), sample)
    everything = evaluate(JFMetric(), sample)
    assert inner['J'] == 50 and everything['J'] < 50
    sample.gt_ignore = torch.ones_like(sample.gt_ignore)
    assert evaluate(JFMetric(), sample)['J&F'] == 100
    assert evaluate(JFMetric(void=False), sample)['J'] == everything['J']
    shifted = clip()
    shifted.pred_masks = shifted.pred_masks.roll(2, dims=-1)
    assert evaluate(JFMetric(tolerance=2), shifted)['F'] > evaluate(JFMetric(tolerance=1), shifted)['F']


def test_frames_without_annotation_are_not_scored():
    sample = clip()
    sample.gt_annotated[1:] = False
    sample.pred_masks[:, 1:] = True
    j, _ = track_scores(boxes(1, 2).numpy(), boxes(1, 22, 6).numpy())
    assert evaluate(JFMetric(), sample)['J'] == pytest.approx(50 * (1 + j[0]))
    sample.gt_annotated[:] = False
    with pytest.raises(RuntimeError, match='no annotated frame'):
        evaluate(JFMetric(), sample)


def test_key_frame_items_need_their_key_frames_only():
    sample = clip(key_frames=[2])
    sample.set_prediction(sample.gt_masks[:, 2:3].bool())
    assert evaluate(JFMetric(), sample) == {'J': 100, 'F': 100, 'J&F': 100}


def test_missing_predictions_are_errors():
    sample = clip()
    del sample.pred_masks
    with pytest.raises(ValueError, match='no prediction'):
        JFMetric().process(None, [sample])
    sample = clip()
    sample.pred_frames = [0, 1, 2]
    with pytest.raises(ValueError, match='00003'):
        JFMetric().process(None, [sample])
    with pytest.raises(RuntimeError, match='2 of 4 frames'):
        evaluate(JFMetric(), clip(stop=2))
    sample = clip()
    sample.pred_masks = sample.pred_masks[:1]
    with pytest.raises(ValueError, match='1 predicted masks for 2 expressions'):
        JFMetric().process(None, [sample])


def test_sizes_must_agree():
    sample = clip()
    sample.pred_masks = sample.pred_masks[..., ::2]
    with pytest.raises(ValueError, match='size'):
        JFMetric().process(None, [sample])


@pytest.mark.parametrize(('setting', 'message'), [
    (dict(frames='inner'), 'skip_first_last'), (dict(baselines=['smallest']), 'largest'),
    (dict(baselines='largest'), 'expected a list'), (dict(group_by='clue_type'), 'expected a list')])
def test_unknown_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        JFMetric(**setting)


def test_records_hold_numbers_only():
    for _, record in JFMetric(baselines=['all']).score(clip()):
        values = [v for pair in record.scores.values() for v in pair]
        assert all(isinstance(v, float) and np.isfinite(v) for v in values) and len(values) == 4
