"""Safe files and the Runner's own rules; whole runs are in tests/doors."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

from mmlvs.engine import FSDPStrategy, Runner, StrictOptimWrapperConstructor
from mmlvs.engine.entry import load_config, predict_in_bfloat16, resume_automatically
from mmlvs.engine.hooks.random_state_hook import random_state, set_random_state
from mmlvs.engine.rules import newest_checkpoint
from mmlvs.io.checkpoint import CheckpointError, load_checkpoint_file, save_checkpoint_file
from mmlvs.utils import check_config
from mmlvs.utils.config_check import ConfigKeyError
from tests.doors.dummies import dummy_config


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


@pytest.mark.parametrize('zipped', [True, False])
def test_a_malicious_checkpoint_runs_nothing(tmp_path, zipped):
    trace, file = tmp_path / 'ran', tmp_path / 'bad.pth'
    torch.save(dict(state_dict=Malicious(trace)), file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match='bad.pth'):
        load_checkpoint_file(file)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Malicious(trace)))
    assert trace.exists(), 'the file would have run something'


def test_getattr_in_a_checkpoint_reaches_log_statistics_only(tmp_path):
    class Reach:
        def __reduce__(self):
            return getattr, (torch.Tensor, 'tofile')

    torch.save(dict(state_dict=Reach()), tmp_path / 'reach.pth')
    with pytest.raises(CheckpointError, match='reach.pth'):
        load_checkpoint_file(tmp_path / 'reach.pth')


def test_a_truncated_checkpoint_names_itself(tmp_path):
    file = tmp_path / 'half.pth'
    save_checkpoint_file(dict(state_dict=dict(a=torch.ones(1000))), file)
    file.write_bytes(file.read_bytes()[:1500])
    with pytest.raises(CheckpointError, match='half.pth'):
        load_checkpoint_file(file)
    with pytest.raises(FileNotFoundError, match='none.pth'):
        load_checkpoint_file(tmp_path / 'none.pth')


def test_safetensors_are_read(tmp_path):
    from safetensors.torch import save_file

    save_file(dict(weight=torch.arange(3.0)), str(tmp_path / 'a.safetensors'))
    assert torch.equal(load_checkpoint_file(tmp_path / 'a.safetensors')['state_dict']['weight'], torch.arange(3.0))


def test_a_failed_write_leaves_the_old_file(tmp_path):
    file = tmp_path / 'epoch_1.pth'
    save_checkpoint_file(dict(state_dict=dict(a=torch.ones(2))), file)
    with pytest.raises(Exception, match='(?i)pickle|local'):
        save_checkpoint_file(dict(state_dict=dict(a=torch.zeros(2)), bad=lambda: None), file)
    assert torch.equal(load_checkpoint_file(file)['state_dict']['a'], torch.ones(2))
    assert [p.name for p in tmp_path.iterdir()] == ['epoch_1.pth']


def test_newest_checkpoint_goes_by_number(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    for name in ('epoch_2.pth', 'epoch_10.pth', 'best_jf_epoch_12.pth', '.epoch_11.part.pth', 'last_checkpoint'):
        (tmp_path / name).touch()
    assert newest_checkpoint(tmp_path).name == 'epoch_10.pth'


def test_random_state_goes_through_a_file(tmp_path):
    import random

    import numpy as np

    save_checkpoint_file(dict(random_states=[random_state()]), tmp_path / 'a.pth')
    expected = random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist()
    set_random_state(load_checkpoint_file(tmp_path / 'a.pth')['random_states'][0])
    assert (random.random(), np.random.rand(3).tolist(), torch.rand(3).tolist()) == expected


class Scores(Hook):
    """Collects the scores of validations."""

    def __init__(self):
        self.found = []

    def after_val_epoch(self, runner, metrics=None):
        self.found.append((runner.epoch, metrics))


def train_dummy(work_dir, **settings):
    runner = Runner.from_cfg(Config(dummy_config(str(work_dir), **settings)))
    scores = Scores()
    runner.register_hook(scores)
    runner.train()
    return scores.found


def test_a_validation_missed_by_a_killed_run_is_made_up_for(tmp_path):
    """Checkpoints come before validations: one that was due when a run died is done first when it goes on."""
    found = train_dummy(tmp_path, epochs=2)
    assert [epoch for epoch, _ in found] == [1, 2]
    assert train_dummy(tmp_path, epochs=2, resume=True) == found[1:]
    assert [epoch for epoch, _ in train_dummy(tmp_path / 'new', epochs=1, resume=True)] == [1], 'nothing was missed'
    assert [epoch for epoch, _ in train_dummy(tmp_path, epochs=3, resume=True)] == [2, 3]


def test_training_clears_what_a_killed_one_left_in_the_work_folder(tmp_path):
    half = tmp_path / '.epoch_1.x1y2.part.pth'
    half.write_bytes(b'half')
    (tmp_path / 'notes.part.txt').touch()
    train_dummy(tmp_path, epochs=1)
    assert not half.exists() and (tmp_path / 'notes.part.txt').exists() and (tmp_path / 'epoch_1.pth').exists()


def test_house_hooks_can_be_left_out(tmp_path):
    config = dummy_config(str(tmp_path), kind='track')
    config['default_hooks'].update(clip_state=None, missed_validation=None)
    kinds = {type(hook).__name__ for hook in Runner.from_cfg(Config(config)).hooks}
    assert 'RandomStateHook' in kinds and not kinds & {'ClipStateHook', 'MissedValidationHook'}


def test_resuming_automatically(tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path), load_from='start.pth', resume=False))
    resume_automatically(cfg)
    assert cfg.resume is False and cfg.load_from == 'start.pth', 'a run without checkpoint starts as it did'
    (tmp_path / 'iter_4.pth').touch()
    resume_automatically(cfg)
    assert cfg.resume is True and cfg.load_from is None


def test_prediction_takes_bfloat16_on_gpus_too():
    cfg, before = Config(dict(test_cfg=dict())), torch.get_autocast_dtype('cuda')
    try:
        predict_in_bfloat16(cfg)
        assert cfg.test_cfg.fp16 and torch.get_autocast_dtype('cuda') == torch.bfloat16
    finally:
        torch.set_autocast_dtype('cuda', before)


def test_a_strategy_needs_its_runner(tmp_path):
    root = Path(__file__).parents[2]
    strategy = Config.fromfile(root / 'configs/_base_/strategies/fsdp.py').to_dict()
    config = dummy_config(str(tmp_path))
    check_config(Config({**config, **strategy}))
    with pytest.raises(ConfigKeyError, match="the Runner .* has no 'strategy'"):
        check_config(Config({**config, 'strategy': strategy['strategy']}))
    strategy['strategy']['model_wrapper']['sharding_strateg'] = 'FULL_SHARD'
    with pytest.raises(ConfigKeyError, match="did you mean 'sharding_strategy'"):
        check_config(Config({**config, **strategy}))


def test_shards_are_written_as_whole_models_only():
    with pytest.raises(ValueError, match="state_dict_cfg 'local', expected \"full\""):
        FSDPStrategy(state_dict_cfg='local')


class Sharded(torch.nn.Module):
    """A model whose layer hides behind the name that FSDP puts between."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Module()
        self.head._fsdp_wrapped_module = torch.nn.Linear(2, 2)


def test_parameter_groups_see_through_shards():
    def build(key):
        return StrictOptimWrapperConstructor(
            dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0)),
            dict(custom_keys={key: dict(lr_mult=0.5)}))(Sharded())

    rates = [group['lr'] for group in build('head.bias').optimizer.param_groups]
    assert sorted(rates) == [0.5, 1.0]
    with pytest.raises(ValueError, match="'haed.bias'.* match no parameter; the parts of this model are .*'head'"):
        build('haed.bias')


@pytest.mark.parametrize('rules, message', [
    (dict(norm_decay_mul=0), "paramwise_cfg has no 'norm_decay_mul'; did you mean 'norm_decay_mult'"),
    (dict(custom_key={}), "did you mean 'custom_keys'"),
    (dict(custom_keys=dict(head=dict(decay_mul=0.5))), "custom_keys.head has no 'decay_mul'; did you mean 'decay_m"),
])
def test_a_misspelt_rule_of_parameter_groups_is_an_error(rules, message):
    settings = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1.0))
    with pytest.raises(ValueError, match=message):
        StrictOptimWrapperConstructor(settings, rules)(Sharded())


def test_a_file_that_lacks_weights_is_not_tested(tmp_path):
    config = dummy_config(str(tmp_path), epochs=1)
    runner = Runner.from_cfg(Config(config))
    state = runner.model.state_dict()
    name = next(iter(state))
    save_checkpoint_file(dict(state_dict={k: v for k, v in state.items() if k != name}), tmp_path / 'part.pth')
    runner = Runner.from_cfg(Config({**config, 'load_from': str(tmp_path / 'part.pth')}))
    with pytest.raises(CheckpointError, match=f'part.pth lacks 1 tensors of this model, such as {name}'):
        runner.test()
    save_checkpoint_file(dict(model=state, epoch=3), tmp_path / 'foreign.pth')
    runner = Runner.from_cfg(Config({**config, 'load_from': str(tmp_path / 'foreign.pth')}))
    with pytest.raises(CheckpointError, match='convert.py makes one of ours'):
        runner.test()


def test_data_are_read_without_workers():
    """What only workers have does not stand in the way of looking for a fault."""
    loader = dict(dummy_config('x')['train_dataloader'], num_workers=0, persistent_workers=True, prefetch_factor=4)
    assert Runner.build_dataloader(loader).num_workers == 0


def test_processes_with_seeds_of_their_own_share_the_order_of_data(tmp_path, monkeypatch):
    """mmengine adds the rank to the seed, and would let samplers draw one; what a run reads follows from its config."""
    config = dummy_config(str(tmp_path), epochs=1)
    for rank in (0, 1):
        monkeypatch.setattr('mmengine.runner.utils.get_rank', lambda rank=rank: rank)
        monkeypatch.setattr('mmlvs.engine.rules.get_rank', lambda rank=rank: rank)
        runner = Runner.from_cfg(Config({**config, 'randomness': dict(seed=7, diff_rank_seed=True),
                                         'experiment_name': f'rank{rank}'}))
        assert runner.seed == 7 + rank
        loader = runner.build_dataloader(config['train_dataloader'], seed=runner.seed, diff_rank_seed=True)
        assert loader.sampler.seed == 7


def test_resuming_within_an_epoch_is_said(tmp_path, monkeypatch):
    for by_epoch in (True, False):
        config = dummy_config(str(tmp_path), epochs=1)
        config['default_hooks']['checkpoint'].update(by_epoch=by_epoch, interval=1)
        Runner.from_cfg(Config(config)).train()
    said = []
    for name, expected in (('iter_1.pth', 1), ('epoch_1.pth', 0)):
        runner = Runner.from_cfg(Config(dummy_config(str(tmp_path), epochs=2)))
        monkeypatch.setattr(runner.logger, 'warning', said.append)
        runner._train_loop = runner.build_train_loop(runner._train_loop)
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
        said.clear()
        runner.resume(str(tmp_path / name))
        assert sum('the whole epoch is run again' in line for line in said) == expected, name


def test_a_variable_that_is_overridden_late_is_warned_of():
    root = Path(__file__).parents[2]
    path = root / 'configs/referformer/referformer_tiny_1xb8-640i_moving-shapes-easy.py'
    assert load_config(path, {'train_cfg.max_iters': 4}).train_cfg.max_iters == 4
    with pytest.warns(UserWarning, match='max_iters: a variable of .*changes none of them'):
        assert load_config(path, {'max_iters': 4}).train_cfg.max_iters == 640
