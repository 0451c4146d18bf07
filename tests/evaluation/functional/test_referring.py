"""P@K, overall and mean IoU and COCO numbers, with the small print of each convention."""
import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmlvs.evaluation.functional import referring
from mmlvs.evaluation.functional.referring import CONVENTIONS, IoUConvention

DATA = Path(__file__).resolve().parents[2] / 'data' / 'parity' / 'metrics_rvos'


def encode(mask):
    row = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {'size': row['size'], 'counts': row['counts'].decode()}


def small_set():
    """Three images of 20 x 30 with a square each, two candidates an image: the square and one moved by two columns."""
    truth = {'images': [], 'annotations': [], 'categories': [{'id': 1, 'name': 'dummy_class'}]}
    predictions = []
    for k, image in enumerate(('b', 'a', 'c')):
        masks = np.zeros((2, 20, 30), dtype=bool)
        masks[0, 4:14, 5:15], masks[1, 4:14, 7:17] = True, True
        truth['images'].append({'id': image, 'height': 20, 'width': 30})
        truth['annotations'].append({'id': k + 1, 'image_id': image, 'category_id': 1, 'segmentation': encode(masks[0]),
                                     'area': 100, 'iscrowd': 0, 'bbox': [5, 4, 10, 10]})
        predictions += [{'image_id': image, 'category_id': 1, 'segmentation': encode(mask), 'score': score, 'bbox': box}
                        for mask, score, box in zip(masks, (0.9, 0.4), ([5, 4, 15, 14], [7, 4, 17, 14]), strict=True)]
    return truth, predictions


def test_perfect_candidates_score_one():
    truth, predictions = small_set()
    assert referring.coco_summary(truth, predictions)[[0, 1, 2, 3, 6, 8]].tolist() == [1] * 6
    for of in ('mask', 'box'):
        chosen, inter, union = referring.best_candidate_areas(truth, predictions, of=of)
        assert chosen == [0, 2, 4] and inter.tolist() == union.tolist() == [100, 100, 100]
        found = referring.iou_summary(inter, union, CONVENTIONS['referformer'])
        assert found.precision.tolist() == [1] * 5 and found.mean_iou == found.overall_iou == 1


def test_last_of_equal_scores_is_scored_and_first_ranks_first_in_coco():
    truth, predictions = small_set()
    for row in predictions:
        row['score'] = 0.5
    chosen, inter, union = referring.best_candidate_areas(truth, predictions)
    assert chosen == [1, 3, 5] and (inter / union).tolist() == [80 / 120] * 3
    assert referring.choose_candidates(['a', 'b'], predictions, tie='first') == [2, 0]
    swapped = [predictions[k] for k in (1, 0, 3, 2, 5, 4)]
    assert referring.coco_summary(truth, swapped)[2] == pytest.approx(0.5)  # each right one comes after a wrong one
    assert referring.coco_summary(truth, predictions)[2] > 0.6


def test_box_area_of_results_moves_only_the_size_columns():
    truth, predictions = small_set()
    for k, row in enumerate(predictions):  # the shifted candidates rank first
        row |= dict(bbox=[100, 100, 400, 400], score=k % 2)
    by_mask = referring.coco_summary(truth, predictions)
    by_box = referring.coco_summary(truth, predictions, prediction_area='box')
    assert by_mask[:3].tolist() == by_box[:3].tolist() and by_mask.tolist() != by_box.tolist()


@pytest.mark.parametrize('name', ['distinct_scores', 'tied_scores', 'jhmdb_like'])
def test_numbers_are_those_that_pycocotools_prints(name, capsys):
    folder = DATA / 'a2d_jhmdb' / name
    truth, predictions = (json.loads((folder / f'{f}.json').read_text()) for f in ('ground_truth_coco', 'predictions'))
    before = json.dumps([truth, predictions])
    found = referring.coco_summary(truth, predictions)
    assert json.dumps([truth, predictions]) == before and capsys.readouterr().out == ''
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(folder / 'ground_truth_coco.json')
        evaluator = COCOeval(coco, coco.loadRes(predictions), 'segm')
        evaluator.params.useCats = 0
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    np.testing.assert_allclose(found, evaluator.stats, atol=1e-12)
    assert len(found) == len(referring.COCO_NUMBERS)


@pytest.mark.parametrize(('area', 'counted'), [((50, 100), False), ((60, 100), True), ((70, 100), False),
                                               ((80, 100), True), ((90, 100), False)])
def test_exact_ratios_follow_float32(area, counted):
    """IoU in float32 compared as a double: 0.6 and 0.8 lie above the threshold, 0.5, 0.7 and 0.9 do not."""
    found = referring.iou_summary([area[0]], [area[1]], CONVENTIONS['referformer'])
    place = [50, 60, 70, 80, 90].index(area[0])
    assert bool(found.precision[place]) == counted
    assert referring.iou_summary([area[0]], [area[1]], CONVENTIONS['lavt']).precision[place] == 1


@pytest.mark.parametrize(('name', 'value'), [('referformer', 1), ('lavt', 0), ('locater', 1), ('ciou_giou', 1)])
def test_two_empty_masks(name, value):
    found = referring.iou_summary([0, 10], [0, 10], CONVENTIONS[name])
    assert found.iou[0] == value and found.overall_iou == pytest.approx(1)


def test_missing_predictions_count_in_the_mean_only():
    found = referring.iou_summary([10, 7], [20, 7], CONVENTIONS['ciou_giou'], present=[True, False])
    assert found.iou[1] == 0 and found.overall_iou == pytest.approx(0.5) and found.mean_iou == pytest.approx(0.25)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(CONVENTIONS)))
def test_overall_and_mean_against_plain_sums(seed, name):
    rng = np.random.default_rng(seed)
    masks = rng.random((2, 5, 9, 11)) < rng.random((2, 5, 1, 1))
    inter, union = referring.mask_areas(*masks)
    for k in range(5):
        assert referring.rle_areas(encode(masks[0, k]), encode(masks[1, k])) == (inter[k], union[k])
    found = referring.iou_summary(inter, union, CONVENTIONS[name])
    plain = [i / u if u else CONVENTIONS[name].empty_value for i, u in zip(inter, union, strict=True)]
    assert found.mean_iou == pytest.approx(np.mean(plain), abs=1e-5)
    if sum(union):
        assert found.overall_iou == pytest.approx(sum(inter) / sum(union), abs=1e-6)
    assert found.precision.tolist() == sorted(found.precision, reverse=True)


def test_boxes():
    assert referring.box_areas((0, 0, 4, 2), (2, 1, 6, 3)) == (2, 14)
    assert referring.box_areas((0, 0, 1, 1), (5, 5, 6, 7)) == (0, 3)


def test_uncompressed_masks_are_read():
    mask = np.zeros((4, 5), dtype=bool)
    mask[1:3, 2] = True
    assert referring.rle_areas({'size': [4, 5], 'counts': [9, 2, 9]}, encode(mask)) == (2, 2)


def test_errors():
    truth, predictions = small_set()
    with pytest.raises(ValueError, match='1 of 3 images have no prediction'):
        referring.best_candidate_areas(truth, predictions[:4])
    with pytest.raises(ValueError, match='no predictions'):
        referring.coco_summary(truth, [])
    with pytest.raises(ValueError, match='images that the truth lacks'):
        referring.coco_summary(truth, [{**predictions[0], 'image_id': 'z'}])
    with pytest.raises(ValueError, match='several annotations'):
        referring.best_candidate_areas({**truth, 'annotations': truth['annotations'] * 2}, predictions)
    with pytest.raises(ValueError, match='no annotation'):
        referring.best_candidate_areas({**truth, 'annotations': truth['annotations'][1:]}, predictions)
    with pytest.raises(ValueError, match='expected mask or box'):
        referring.best_candidate_areas(truth, predictions, of='track')
    with pytest.raises(ValueError, match='expected mask or box'):
        referring.coco_summary(truth, predictions, prediction_area='bbox')
    with pytest.raises(ValueError, match='first or last'):
        referring.choose_candidates([], [], tie='best')
    with pytest.raises(ValueError, match='has size'):
        referring.rle_areas(encode(np.ones((4, 5))), encode(np.ones((5, 4))))
    with pytest.raises(ValueError, match='one shape'):
        referring.mask_areas(np.zeros((2, 4, 5)), np.zeros((2, 5, 4)))
    with pytest.raises(ValueError, match='at least one'):
        referring.iou_summary([], [], IoUConvention())
