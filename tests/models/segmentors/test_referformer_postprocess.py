import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pycocotools import mask as coco

from mmlvs.models.segmentors.referformer_postprocess import choose_query, predict_candidates, predict_track
from mmlvs.structures import ClipCodec

DIRECT = dict(codec=ClipCodec(way_back='direct'), img_shape=(24, 40), ori_shape=(45, 70))


def _outputs(frames=3, queries=4, classes=1, seed=0):
    g = torch.Generator().manual_seed(seed)
    return (torch.randn(frames, queries, classes, generator=g), torch.rand(frames, queries, 4, generator=g),
            torch.randn(frames, queries, 6, 10, generator=g))


def test_query_with_the_best_mean_not_the_best_frame():
    logits = torch.full((4, 3, 1), -2.0)
    logits[0, 1] = 9  # one good frame
    logits[:, 2] = 1  # steadily good
    scores, query = choose_query(logits)
    assert query == 2
    torch.testing.assert_close(scores, logits.sigmoid().mean(dim=0)[:, 0])


def test_mean_over_frames_comes_before_the_maximum_over_classes():
    logits = torch.full((2, 2, 2), -20.0)
    logits[0, 0, 0] = logits[1, 0, 1] = 20.0  # two classes, half the time each
    logits[:, 1, 0] = 0.8
    scores, query = choose_query(logits)
    assert query == 1 and scores[0] == pytest.approx(0.5)


def test_equal_scores_choose_the_first():
    assert choose_query(torch.zeros(2, 5, 1))[1] == 0


def test_track_follows_one_query():
    logits, boxes, masks = _outputs()
    logits[:, 2] += 9
    track = predict_track(logits, boxes, masks, **DIRECT)
    up = F.interpolate(masks[:, 2:3], size=(45, 70), mode='bilinear', align_corners=False)[:, 0]
    assert track.query == 2 and torch.equal(track.masks, up.sigmoid() > 0.5) and track.prob is None
    torch.testing.assert_close(track.scores, logits[:, 2, 0].sigmoid())
    cx, cy, w, h = boxes[1, 2].tolist()
    expected = [(cx - w / 2) * 70, (cy - h / 2) * 45, (cx + w / 2) * 70, (cy + h / 2) * 45]
    np.testing.assert_allclose(track.boxes[1].numpy(), expected, rtol=1e-5)


def test_track_with_given_query_threshold_and_probabilities():
    outputs = _outputs()
    track = predict_track(*outputs, query=3, threshold=0.7, return_prob=True, **DIRECT)
    assert track.query == 3 and torch.equal(track.masks, track.prob > 0.7)
    assert torch.equal(track.masks, predict_track(*outputs, query=3, threshold=0.7, **DIRECT).masks)


def test_candidates_keep_all_queries_and_sort():
    codec = ClipCodec(way_back='upsample_crop_nearest')
    logits, boxes, masks = (value[0] for value in _outputs(queries=5))
    found = predict_candidates(logits, boxes, masks, codec=codec, img_shape=(22, 37), ori_shape=(45, 70))
    binary = (F.interpolate(masks[:, None], scale_factor=4, mode='bilinear', align_corners=False).sigmoid() > 0.5)
    expected = F.interpolate(binary.float()[..., :22, :37], size=(45, 70), mode='nearest')[:, 0].bool()
    assert torch.equal(found.masks, expected) and found.labels.tolist() == [1] * 5
    ordered = found.by_score()
    assert torch.equal(ordered.scores, logits[:, 0].sigmoid().sort(descending=True).values)
    best = int(logits[:, 0].argmax())
    assert torch.equal(ordered.masks[0], found.masks[best]) and torch.equal(ordered.boxes[0], found.boxes[best])


def test_run_lengths_decode_to_the_masks():
    codec = ClipCodec(way_back='upsample_crop_nearest')
    logits, boxes, masks = (value[0] for value in _outputs(queries=3))
    found = predict_candidates(logits, boxes, masks, codec=codec, img_shape=(24, 40), ori_shape=(45, 70))
    rows = found.run_lengths()
    assert len(rows) == 3 and isinstance(rows[0]['counts'], str)
    for row, mask in zip(rows, found.masks, strict=True):
        assert np.array_equal(coco.decode(row).astype(bool), mask.numpy())


def test_what_does_not_fit_is_said():
    logits, boxes, masks = _outputs()
    with pytest.raises(ValueError, match='of the same K q'):
        predict_track(logits[:2], boxes, masks, **DIRECT)
    with pytest.raises(ValueError, match='query 4, the network has 4'):
        predict_track(logits, boxes, masks, query=4, **DIRECT)
    with pytest.raises(ValueError, match='none of them 0'):
        choose_query(torch.zeros(0, 5, 1))
    with pytest.raises(ValueError, match='NaN'):
        choose_query(torch.full((2, 5, 1), float('nan')))
