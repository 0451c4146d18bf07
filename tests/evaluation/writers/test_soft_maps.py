"""Soft maps as files: what is scored from them is what the metric scores."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmlvs.evaluation.folders.conventions import FOLDER_CONVENTIONS
from mmlvs.evaluation.folders.report import summarise
from mmlvs.evaluation.folders.scoring import score_folder
from mmlvs.evaluation.folders.truth import FolderTruth
from mmlvs.registry import METRICS
from mmlvs.structures import VideoSegDataSample

SIZE = (24, 30)


def clip(video, start, stop, total=5):
    rng = np.random.default_rng([ord(video), start])
    sample = VideoSegDataSample(metainfo=dict(
        video_id=video, frame_ids=[f'{t:05d}' for t in range(start, stop)], num_frames=total, expression_ids=['0'],
        clip=dict(index=int(start > 0), is_first=start == 0, is_last=stop == total), object_ids=['1'],
        key_frames=list(range(stop - start)), ori_shape=SIZE, img_shape=SIZE))
    truth = np.zeros((stop - start, *SIZE), np.uint8)
    truth[:, 5:16, 8:21] = 255
    soft = (0.6 * truth + rng.integers(0, 100, truth.shape)).astype(np.uint8)
    sample.gt_masks, sample.gt_objects = torch.from_numpy(truth)[None], [[0]]
    sample.gt_annotated = torch.ones(stop - start, dtype=torch.bool)
    sample.set_prediction(torch.from_numpy(soft > 128)[None])
    sample.pred_soft = torch.from_numpy(soft)[None]
    return sample


def test_files_score_like_the_run(tmp_path):
    metric = METRICS.build(dict(type='SaliencyMetric', protocol='isomer', weighted=False))
    writer = METRICS.build(dict(type='SaliencyWriter', out_dir=str(tmp_path / 'maps')))
    for video in 'ab':
        for span in ((0, 3), (3, 5)):
            sample = clip(video, *span)
            metric.process(None, [sample])
            writer.process(None, [sample])
            for t, mask in enumerate(sample.gt_masks[0].numpy()):
                file = tmp_path / 'truth' / video / 'GT' / f'{sample.frame_ids[t]}.png'
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(file)
    assert writer.evaluate(4) == {'soft_maps/videos': 2.0, 'soft_maps/files': 10.0}
    with Image.open(tmp_path / 'maps/a/00004.png') as image:
        assert image.mode == 'L' and np.array_equal(np.array(image), clip('a', 3, 5).pred_soft[0, 1].numpy())
    expected = metric.evaluate(4)
    for name, keys in (('vsod-isomer', ('MAE', 'maxF', 'maxE', 'S')), ('zvos', ('J', 'F', 'J-Recall'))):
        convention = FOLDER_CONVENTIONS[name]
        truth = FolderTruth(root=tmp_path / 'truth', convention=convention)
        found, _, _ = summarise(list(score_folder(tmp_path / 'maps', truth.videos(), truth)), convention)
        assert [found[key] for key in keys] == pytest.approx([expected[key] for key in keys], abs=1e-9)


def test_what_is_missing_is_said(tmp_path):
    writer = METRICS.build(dict(type='SaliencyWriter', out_dir=str(tmp_path)))
    sample = clip('a', 0, 2)
    sample.pred_soft = sample.pred_soft.expand(2, -1, -1, -1)
    with pytest.raises(ValueError, match="video 'a' has 2 tracks"):
        writer.process(None, [sample])
    del sample.pred_soft
    with pytest.raises(ValueError, match='carries no pred_soft'):
        writer.process(None, [sample])
    assert not list(tmp_path.rglob('*'))
