"""Average precision with one true mask an image against pycocotools and against decoded masks."""
import numpy as np
import pytest

from mmlvs.evaluation.functional import candidates, referring
from mmlvs.io.masks import encode_rle
from tests.plain import scores as plain

OPTIONS = dict(iou_thresholds=None, recall_points=101, max_detections=(1, 10, 100), area_limits=candidates.COCO_AREAS)


def random_set(seed, most=6):
    """Images of two sizes, overlapping rectangles, equal scores, images without any candidate, a shuffled list."""
    rng = np.random.default_rng(seed)
    truth, predictions = {'images': [], 'annotations': [], 'categories': [{'id': 1, 'name': 'x'}]}, []

    def rectangle(height, width):
        mask = np.zeros((height, width), dtype=bool)
        (top, bottom), (left, right) = sorted(rng.integers(0, height, 2)), sorted(rng.integers(0, width, 2))
        mask[top:bottom + 1, left:right + 1] = True
        return mask

    for k, name in enumerate(rng.permutation(8)):
        size = [(120, 140), (30, 50)][k % 2]
        target, image = rectangle(*size), f'v{name}'
        truth['images'].append({'id': image, 'height': size[0], 'width': size[1]})
        truth['annotations'].append({'id': k + 1, 'image_id': image, 'category_id': 1, 'area': float(target.sum()),
                                     'segmentation': encode_rle(target), 'iscrowd': 0, 'bbox': [0, 0, 1, 1]})
        for _ in range(rng.integers(k < 7, most)):
            mask = target if rng.random() < 0.3 else rectangle(*size) | (target if rng.random() < 0.5 else False)
            predictions.append({'image_id': image, 'category_id': 1, 'segmentation': encode_rle(mask),
                                'score': float(rng.choice([0.1, 0.5, 0.9, rng.random()]))})
    return truth, [predictions[k] for k in rng.permutation(len(predictions))]


@pytest.mark.parametrize(('seed', 'most'), [(0, 6), (1, 6), (2, 6), (3, 120)])
def test_equal_to_pycocotools_and_to_decoded_masks(seed, most):
    truth, predictions = random_set(seed, most)
    got = referring.coco_summary(truth, predictions)
    want = referring._summary_of_coco(truth, predictions, 'segm', False, OPTIONS)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)
    shown = {row['image_id'] for row in predictions}
    rest = {'images': [row for row in truth['images'] if row['id'] in shown],
            'annotations': [row for row in truth['annotations'] if row['image_id'] in shown]}
    found = plain.candidate_scores(rest, predictions)
    np.testing.assert_allclose(found['coco'], referring.coco_summary(rest | {'categories': []}, predictions),
                               rtol=0, atol=1e-9)
    _, inter, union = referring.best_candidate_areas(rest, predictions)
    summary = referring.iou_summary(inter, union, referring.CONVENTIONS['referformer'])
    np.testing.assert_allclose(summary.precision, found['precision'], rtol=0, atol=1e-9)
    assert summary.mean_iou == pytest.approx(found['mean_iou'], abs=1e-9)
    assert summary.overall_iou == pytest.approx(found['overall_iou'], abs=1e-9)
    both = referring.candidate_summary(rest, predictions)
    np.testing.assert_array_equal(both.coco, referring.coco_summary(rest | {'categories': []}, predictions))
    assert both.iou.precision.tolist() == summary.precision.tolist() and both.iou.mean_iou == summary.mean_iou
    if len(rest['images']) < len(truth['images']):
        with pytest.raises(ValueError, match='have no prediction'):
            referring.candidate_summary(truth, predictions)
    with pytest.raises(ValueError, match='that the truth lacks'):
        referring.candidate_summary(rest, [{**predictions[0], 'image_id': 'z'}])
    with pytest.raises(ValueError, match='exactly one annotation'):
        referring.candidate_summary({**rest, 'annotations': rest['annotations'][1:]}, predictions)


def test_overlaps_and_best():
    masks = np.zeros((3, 10, 20), dtype=bool)
    masks[0, :4, :5], masks[1, 2:6, :5] = True, True
    image = candidates.image_candidates([0.5, 0.9, 0.9], [encode_rle(mask) for mask in masks], encode_rle(masks[0]))
    assert image.intersections.tolist() == [20, 10, 0] and image.unions.tolist() == [20, 30, 20]
    assert image.best() == 2 and image.best(tie='first') == 1
    with pytest.raises(ValueError, match='first or last'):
        image.best(tie='any')
    with pytest.raises(ValueError, match='no best one'):
        candidates.image_candidates([], [], encode_rle(masks[0])).best()
    with pytest.raises(ValueError, match='has size'):
        candidates.image_candidates([1], [encode_rle(masks[0].T)], encode_rle(masks[0]))
    with pytest.raises(ValueError, match='1 masks with 2 scores'):
        candidates.image_candidates([1, 2], [encode_rle(masks[0])], encode_rle(masks[0]))
    with pytest.raises(ValueError, match='no image'):
        candidates.average_precision([])


def test_several_truths_of_an_image_go_to_pycocotools():
    truth, predictions = random_set(0)
    truth['annotations'].append(dict(truth['annotations'][0], id=99))
    got = referring.coco_summary(truth, predictions)
    assert got.shape == (12,) and got[0] < referring.coco_summary(random_set(0)[0], predictions)[0]
