"""Pipelines, branches, and what is packed at their end."""

import numpy as np
import pytest
import torch

from mmlvs.datasets.transforms import CleanText, Compose, PackClip, RandomBranchClip
from mmlvs.structures import VideoSegDataSample


def _add(n):
    def step(results):
        results['sum'] = results.get('sum', 0) + n
        return results
    return step


def test_compose():
    pipeline = Compose([dict(type='CleanText'), _add(2)])
    assert pipeline(dict(texts=[' A'], noun_chunks=[[]]))['sum'] == 2
    assert isinstance(pipeline.transforms[0], CleanText) and repr(pipeline) == 'Compose(CleanText, function)'
    with pytest.raises(TypeError, match='dicts and callables, found str'):
        Compose(['CleanText'])
    with pytest.raises(RuntimeError, match='returned None'):
        Compose([lambda results: None])({})
    with pytest.raises(KeyError, match='Cleantext'):
        Compose([dict(type='Cleantext')])


def test_branches_follow_their_probabilities():
    step = RandomBranchClip(branches=[[], [_add(1)], [_add(10), _add(10)]], probs=[0.2, 0.5, 0.3])
    rng = np.random.default_rng(0)
    sums = [step(dict(rng=rng)).get('sum', 0) for _ in range(1000)]
    assert set(sums) == {0, 1, 20}
    np.testing.assert_allclose([sums.count(s) / 1000 for s in (0, 1, 20)], [0.2, 0.5, 0.3], atol=0.05)
    with pytest.raises(ValueError, match='expected 2 numbers that sum to one'):
        RandomBranchClip(branches=[[], []], probs=[0.5, 0.6])


def _results():
    clip = dict(index=0, is_first=True, is_last=True)
    return dict(video_id='v', frame_ids=['0', '1'], frame_paths=['0.jpg', '1.jpg'], num_frames=7, clip=clip,
                key_frames=[0, 1], texts=['a', 'b'], expression_ids=['0', '1'], expressions_info=[{}, {}],
                object_ids=['1'], noun_chunks=[[], []], ori_shape=(4, 6), img_shape=(4, 6), scale_factor=(1.0, 1.0),
                flip=False, dataset='d', rng=np.random.default_rng(0),
                frames=dict(img=np.arange(144, dtype=np.uint8).reshape(2, 4, 6, 3)))


def test_pack():
    results = _results()
    results.update(gt_masks=np.ones((1, 2, 4, 6), np.uint8)[..., ::-1], gt_ignore=np.zeros((2, 4, 6), bool),
                   gt_boxes=np.zeros((1, 2, 4), np.float32), gt_valid=np.ones((1, 2), bool),
                   gt_annotated=np.ones(2, bool), gt_objects=[[0], []])
    item = PackClip()(results)
    img, sample = item['inputs']['img'], item['data_samples']
    assert img.shape == (2, 3, 4, 6) and img.dtype == torch.uint8 and img.is_contiguous()
    assert (img[1, 2].numpy() == results['frames']['img'][1, ..., 2]).all()
    assert isinstance(sample, VideoSegDataSample) and sample.num_frames == 7 and 'rng' not in sample.metainfo
    assert sample.gt_masks.dtype == torch.uint8 and sample.gt_boxes.dtype == torch.float32
    assert sample.target(0).all() and not sample.target(1).any()


def test_pack_without_truth_and_errors():
    sample = PackClip()(_results())['data_samples']
    assert 'gt_masks' not in sample and sample.texts == ['a', 'b']
    with pytest.raises(KeyError, match=r"results lack \['texts'\]"):
        PackClip()({k: v for k, v in _results().items() if k != 'texts'})
    results = _results()
    results['frames']['flow'] = np.zeros((1, 4, 6), np.uint8)
    with pytest.raises(ValueError, match=r"stream 'flow': expected uint8 or float32 frames \(T, H, W, 3\)"):
        PackClip()(results)
