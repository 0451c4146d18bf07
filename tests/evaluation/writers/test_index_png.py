import numpy as np
import pytest
import torch
from PIL import Image

from mmlvs.evaluation.writers import merge_scores
from mmlvs.io.masks import pascal_palette
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample

SIZE = (6, 9)


def clip(start=0, stop=3, objects=2, seed=0, shuffle=False):
    count = 4 * objects
    order = np.random.default_rng(seed).permutation(count) if shuffle else np.arange(count)
    sample = VideoSegDataSample(metainfo=dict(
        video_id='dogs', frame_ids=[f'{t:05d}' for t in range(start, stop)], num_frames=5, texts=['x'] * count,
        expression_ids=[str(n) for n in order], ori_shape=SIZE, img_shape=SIZE))
    prob = torch.rand((count, stop - start, *SIZE), generator=torch.Generator().manual_seed(seed))
    sample.pred_prob = prob[torch.as_tensor(order)]
    sample.set_prediction(sample.pred_prob > 0.5)
    return sample, prob


@pytest.mark.parametrize('shuffle', [False, True])
def test_one_index_map_an_annotator_set(tmp_path, shuffle):
    writer = METRICS.build(dict(type='RefDavisWriter', out_dir=str(tmp_path)))
    (first, prob), (second, later) = clip(shuffle=shuffle), clip(start=3, stop=5, seed=1, shuffle=shuffle)
    writer.process(None, [first])
    writer.process(None, [second])
    assert writer.evaluate(2) == {'ref_davis/videos': 1.0, 'ref_davis/files': 20.0}
    prob = torch.cat([prob, later], dim=1).numpy()
    for number in range(4):
        expected = merge_scores([prob[number], prob[4 + number]])
        assert set(np.unique(expected)) == {0, 1, 2}
        for t in range(5):
            with Image.open(tmp_path / f'anno_{number}' / 'dogs' / f'{t:05d}.png') as image:
                assert image.mode == 'P' and np.array_equal(np.asarray(image), expected[t])
                assert image.getpalette()[:9] == pascal_palette()[:3].reshape(-1).tolist()


def test_what_is_missing_is_said(tmp_path):
    writer = METRICS.build(dict(type='RefDavisWriter', out_dir=str(tmp_path)))
    sample, _ = clip()
    del sample.pred_prob
    with pytest.raises(ValueError, match='carries no pred_prob'):
        writer.process(None, [sample])
    sample, _ = clip()
    sample.set_metainfo(dict(expression_ids=[str(n) for n in range(1, 9)]))
    with pytest.raises(ValueError, match="unit='video'"):
        writer.process(None, [sample])
    assert not list(tmp_path.rglob('*'))
