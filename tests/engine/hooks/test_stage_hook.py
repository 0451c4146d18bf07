"""A training in two stages: the second resumes from the best checkpoint of the first."""

import pytest
import torch
from mmengine.config import Config

from mmlvs.engine import Runner
from mmlvs.io.checkpoint import CheckpointError, load_checkpoint_file
from tests.doors.dummies import dummy_config


def stage(work_dir, *, epochs, resume_from=None, kind='StageCheckpointHook', rule='greater'):
    config = dummy_config(str(work_dir), epochs=epochs)
    config['default_hooks']['checkpoint'].update(type=kind, save_best='iou', rule=rule)
    config['experiment_name'] = str(work_dir)  # runs of one second would share what they log
    config.update(resume=resume_from is not None, load_from=resume_from and str(resume_from))
    runner = Runner.from_cfg(Config(config))
    runner.train()
    (best, ) = work_dir.glob('best_*.pth')
    return runner, best


def steps_of(path):
    return {int(state['step']) for state in load_checkpoint_file(path)['optimizer']['state'].values()}


def test_a_stage_goes_on_from_the_best_of_the_stage_before(tmp_path):
    first, best = stage(tmp_path / 'first', epochs=2)
    content = load_checkpoint_file(best)
    assert {'optimizer', 'param_schedulers', 'random_states'} <= set(content)
    epoch, each = content['meta']['epoch'], len(first.train_dataloader)
    assert steps_of(best) == {epoch * each}
    assert first.message_hub.get_info('best_score') <= 1

    second, own = stage(tmp_path / 'second', epochs=epoch + 2, resume_from=best)
    assert steps_of(tmp_path / 'second' / f'epoch_{epoch + 2}.pth') == {(epoch + 2) * each}, 'AdamW goes on'
    assert best.exists(), 'files of the first stage stay'
    assert own.parent == tmp_path / 'second' and load_checkpoint_file(own)['meta']['epoch'] > epoch
    assert second.message_hub.get_info('best_ckpt') == str(own)


def test_the_best_score_starts_anew_even_when_it_is_never_reached(tmp_path):
    first, best = stage(tmp_path / 'first', epochs=1)
    content = load_checkpoint_file(best)
    content['message_hub']['runtime_info']['best_score'] = 2.0  # out of reach
    torch.save(content, best)
    _, own = stage(tmp_path / 'second', epochs=2, resume_from=best)
    assert own.name.endswith('epoch_2.pth')


def test_a_file_without_optimiser_is_not_resumed(tmp_path):
    _, best = stage(tmp_path / 'first', epochs=1, kind='CheckpointHook')
    assert 'optimizer' not in load_checkpoint_file(best), 'as mmengine writes it'
    with pytest.raises(CheckpointError, match=f'{best.name} holds no optimiser'):
        stage(tmp_path / 'second', epochs=2, resume_from=best)
