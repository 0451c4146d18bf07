"""Contact sheets of validated and tested samples, with text and with soft maps."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mmlvs.datasets import frame_files
from mmlvs.engine.hooks.visualization_hook import ClipVisualizationHook, sheet_rows
from mmlvs.io import write_video
from mmlvs.structures import VideoSegDataSample

T, H, W = 9, 24, 32


@pytest.fixture
def make(tmp_path):
    """Samples of a clip of T frames in which frame t is grey 10 * t."""
    paths = []
    for t in range(T):
        paths.append(str(tmp_path / f'{t:05d}.png'))
        Image.fromarray(np.full((H, W, 3), 10 * t, np.uint8)).save(paths[-1])

    def sample(texts=None, *, truth=None, soft=True, key_frames=None):
        ids = [str(n) for n in range(len(texts or ['']))]
        meta = dict(video_id='swan', frame_ids=[f'{t:05d}' for t in range(T)], frame_paths=paths, expression_ids=ids,
                    clip=dict(index=2, is_first=False, is_last=True), ori_shape=(H, W), img_shape=(H, W))
        meta |= {} if texts is None else dict(texts=texts)
        meta |= {} if key_frames is None else dict(key_frames=key_frames)
        sample = VideoSegDataSample(metainfo=meta)
        count = len(sample.scored_frames)
        maps = torch.arange(count, dtype=torch.uint8)[None, :, None, None].mul(20).expand(len(ids), -1, H, W)
        sample.set_prediction(maps > 64)
        if soft:
            sample.pred_soft = maps
        if truth is not None:
            sample.gt_masks, sample.gt_objects = truth, [[0] for _ in ids]
            sample.gt_annotated = torch.arange(T) % 2 == 0
        return sample

    return sample


def test_rows_of_a_saliency_model(make):
    flow = torch.arange(T, dtype=torch.uint8)[:, None, None, None].expand(T, 3, 6, 8)
    truth = torch.full((1, T, H, W), 255, dtype=torch.uint8)
    (row,) = sheet_rows(make(truth=truth, key_frames=[1, 3, 4, 6, 8]), columns=3, flow=flow, threshold=64)
    assert row.text == '' and row.frames[:, 0, 0, 0].tolist() == [10, 40, 80]
    assert row.soft[:, 0, 0].tolist() == [0, 40, 80] and row.prediction[:, 0, 0].tolist() == [False, False, True]
    assert row.flow[:, 0, 0, 0].tolist() == [1, 4, 8] and row.annotated.tolist() == [False, True, True]
    assert row.threshold == 64 and row.target.dtype == np.bool_ and row.target.all()


def test_grey_truth_is_kept_for_soft_maps_alone(make):
    truth = torch.full((1, T, H, W), 90, dtype=torch.uint8)
    (soft,), (binary,) = (sheet_rows(make(truth=truth, soft=soft), columns=4) for soft in (True, False))
    assert soft.target.dtype == np.uint8 and (soft.target == 90).all()
    assert binary.target.dtype == np.bool_ and binary.target.all()
    (nothing,) = sheet_rows(make(), columns=4)
    assert nothing.target is None and nothing.flow is None and nothing.annotated is None


def test_nobody_is_all_false(make):
    sample = make(['the swan'], truth=torch.ones(1, T, H, W, dtype=torch.uint8))
    sample.gt_objects = [[]]
    (row,) = sheet_rows(sample, columns=4)
    assert row.target.shape == (4, H, W) and not row.target.any()


def test_text_methods_have_no_new_strips(make):
    flow = torch.zeros(T, 3, H, W, dtype=torch.uint8)
    rows = sheet_rows(make(['the swan', 'the water'], soft=False), columns=4, flow=flow)
    assert [row.text for row in rows] == ['the swan', 'the water']
    assert all(row.soft is row.flow is row.annotated is None for row in rows)
    rows = sheet_rows(make(['the swan', 'the water']), columns=4, flow=flow)
    assert [row.soft is None for row in rows] == [False, False] and [row.flow is None for row in rows] == [False, True]


def test_reads_no_more_frames_than_are_shown(make, monkeypatch):
    decode, asked = frame_files.decode_frames, []
    monkeypatch.setattr(frame_files, 'decode_frames', lambda paths: asked.extend(paths) or decode(paths))
    sheet_rows(make(), columns=3)
    assert [path[-9:] for path in asked] == ['00000.png', '00004.png', '00008.png']


def test_frames_of_a_video_file(make, tmp_path):
    """Their addresses name the file and the number of the frame."""
    frames = np.zeros((T, H, W, 3), np.uint8)
    frames[:, :, :, 1] = np.linspace(0, 250, T).astype(np.uint8)[:, None, None]
    write_video(tmp_path / 'clip.mp4', frames)
    sample = make()
    sample.set_metainfo(dict(frame_paths=[frame_files.video_frame_path(tmp_path / 'clip.mp4', t) for t in range(T)]))
    shown = sheet_rows(sample, columns=3)[0].frames
    wanted = frames[[0, T // 2, -1], 0, 0, 1].astype(int)
    assert shown.shape == (3, H, W, 3) and np.abs(shown[:, H // 2, W // 2, 1] - wanted).max() < 20


def test_each_annotated_frame_has_its_sheet(make, tmp_path):
    """Items of key frames all are clip 0 of their video."""
    hook = ClipVisualizationHook(columns=3, cell_height=H, test_dir=str(tmp_path / 'sheets'))
    runner = SimpleNamespace(rank=0, iter=0, model=SimpleNamespace())
    for key in (2, 5):
        hook.after_test_iter(runner, 0, None, [make(key_frames=[key])])
    assert len(list((tmp_path / 'sheets').iterdir())) == 2


def test_hook_writes_sheets(make, tmp_path):
    flow = torch.full((T, 3, H, W), 77, dtype=torch.uint8)
    batch = dict(inputs=dict(img=[None, None], flow=[torch.zeros(0, 3, 1, 1), flow]))
    outputs = [make(), make(key_frames=[])]
    outputs[1].set_metainfo(dict(video_id='empty'))
    runner = SimpleNamespace(rank=0, iter=7, log_dir=str(tmp_path / 'log'),
                             model=SimpleNamespace(mask_threshold=64))
    hook = ClipVisualizationHook(num_videos=1, columns=3, cell_height=H, test_dir=str(tmp_path / 'test'))
    hook.after_test_iter(runner, 0, batch, outputs)
    hook.before_val_epoch(runner)
    hook.after_val_iter(runner, 0, dict(inputs=dict(img=[None])), outputs)
    name = 'swan_clip002_0.png'
    assert [path.name for path in (tmp_path / 'test').iterdir()] == [name]  # of the other there is nothing to show
    without = np.asarray(Image.open(tmp_path / 'log' / 'vis_data' / 'val_step7' / name))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'test' / name)), without)
    outputs[0].set_metainfo(dict(video_id='swan/flow'))
    hook.after_test_iter(runner, 0, dict(inputs=dict(flow=[flow])), outputs[:1])
    sheet = np.asarray(Image.open(tmp_path / 'test' / 'swan_flow_clip002_0.png'))
    assert sheet.shape[0] == without.shape[0] + H + 2 and (sheet == 77).all(-1).sum() >= 3 * H * W
