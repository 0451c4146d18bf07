"""Every kind of item through training, validation and test, with workers and processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmlvs.engine import Runner
from mmlvs.registry import MODELS
from mmlvs.utils import check_config
from tests.doors.dummies import KINDS, DummyClips, dummy_config

HERE = Path(__file__).parent
MODELS_UNDER_TEST = ('FrameDummy', 'StatefulDummy')


def run(work_dir, **settings):
    runner = Runner.from_cfg(Config(dummy_config(str(work_dir), **settings)))
    runner.train()
    return runner.test(), {k: v.clone() for k, v in runner.model.state_dict().items()}


def run_processes(work_dir, processes, **settings):
    settings = json.dumps({**settings, 'launcher': 'pytorch'})
    done = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node', str(processes), '--master_port',
         str(29500 + os.getpid() % 2000), str(HERE / 'run_dummy.py'), str(work_dir), settings],
        capture_output=True, text=True, timeout=240,
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(HERE.parents[1])})
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(Path(work_dir, 'result.json').read_text())
    return result['scores'], result['weights']


@pytest.mark.parametrize('model', MODELS_UNDER_TEST)
@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_of_item_trains_and_predicts(kind, model):
    network = MODELS.build(dict(type=model, data_preprocessor=dict(type='ClipDataPreprocessor')))
    data = DummyClips(kind=kind, with_text=model == 'StatefulDummy')
    first_clips = [i for i in range(len(data)) if data[i]['data_samples'].metainfo['clip']['is_first']][:3]
    batch = pseudo_collate([data[i] for i in first_clips])
    losses = network(**network.data_preprocessor(batch, True), mode='loss')
    losses['loss_mask'].backward()
    assert torch.isfinite(losses['loss_mask']) and network.head.weight.grad is not None
    if kind != 'no_expression':
        assert network.head.weight.grad.abs().sum() > 0
    out = network.eval().val_step(pseudo_collate([data[i] for i in first_clips]))
    for sample in out:
        rows = {'no_expression': 0}.get(kind, 2 if model == 'StatefulDummy' else 1)
        frames = {'key_frame': 1}.get(kind, sample.num_clip_frames)
        assert sample.pred_masks.shape == (rows, frames, *sample.metainfo['ori_shape'])
        assert sample.mask_space == 'original' and len(sample.pred_frames) == frames
        if kind == 'no_object':
            assert not sample.target(0).any()


def test_clips_of_different_size_share_a_batch_without_seeing_each_other():
    network = MODELS.build(dict(type='FrameDummy')).eval()
    data = DummyClips(kind='sizes', with_text=False)
    together = network.val_step(pseudo_collate([data[0], data[3]]))
    for index, sample in zip((0, 3), together, strict=True):
        alone = network.val_step(pseudo_collate([data[index]]))[0]
        assert torch.equal(alone.pred_masks, sample.pred_masks)


def test_state_flows_from_clip_to_clip(tmp_path):
    """A video in clips of 3 scores like the video in one clip, and without state it would not."""
    scores, weights = run(tmp_path / 'a', kind='clips')
    assert scores['frames'] == 4 * 2 * 7
    network = MODELS.build(dict(type='StatefulDummy', data_preprocessor=dict(type='ClipDataPreprocessor')))
    network.load_state_dict(weights)
    network.eval()
    whole, parts = DummyClips(kind='clips', clip_length=7), DummyClips(kind='clips', clip_length=3)
    expected = network.val_step(pseudo_collate([whole[0]]))[0].pred_masks
    state, got = {}, []
    for index in range(3):
        item = parts[index]
        item['data_samples'].state = state
        sample = network.val_step(pseudo_collate([item]))[0]
        state = sample.state
        got.append(sample.pred_masks)
    assert torch.equal(torch.cat(got, dim=1), expected)


def test_a_later_clip_without_state_is_refused():
    network = MODELS.build(dict(type='StatefulDummy')).eval()
    with pytest.raises(RuntimeError, match=r"clip 1 of video 'video0' arrives without the state"):
        network.val_step(pseudo_collate([DummyClips(kind='clips')[1]]))


@pytest.mark.parametrize('kind', ['track', 'clips'])
def test_workers_change_nothing(tmp_path, kind):
    scores, weights = run(tmp_path / 'none', kind=kind, workers=0)
    scores4, weights4 = run(tmp_path / 'four', kind=kind, workers=4)
    assert scores == scores4
    assert all(torch.equal(weights[k], weights4[k]) for k in weights)


def test_resumed_run_equals_uninterrupted(tmp_path):
    _, straight = run(tmp_path / 'straight', epochs=4)
    run(tmp_path / 'broken', epochs=2)
    _, resumed = run(tmp_path / 'broken', epochs=4, resume=True)
    _, half = run(tmp_path / 'half', epochs=2)
    assert all(torch.equal(straight[k], resumed[k]) for k in straight)
    assert not all(torch.equal(straight[k], half[k]) for k in straight)


def test_two_processes_train_validate_and_test(tmp_path):
    """Scores of 2 processes equal those of 1 on the same weights; no clip is counted twice or lost."""
    scores, weights = run_processes(tmp_path, 2, kind='clips', batch_size=1, epochs=1)
    network = MODELS.build(dict(type='StatefulDummy'))
    state = {k: torch.tensor(v).view_as(network.state_dict()[k]) for k, v in weights.items()}
    checkpoint = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=state, meta={}), checkpoint)
    config = dummy_config(str(tmp_path / 'one'), kind='clips')
    runner = Runner.from_cfg(Config({**config, 'load_from': str(checkpoint)}))
    assert runner.test() == scores
    assert scores['frames'] == 4 * 2 * 7


def test_the_dummy_config_is_strictly_checked(tmp_path):
    config = dummy_config(str(tmp_path))
    check_config(Config(config))
    config['model']['data_preprocesor'] = config['model'].pop('data_preprocessor')
    with pytest.raises(KeyError, match="did you mean 'data_preprocessor'"):
        check_config(Config(config))
