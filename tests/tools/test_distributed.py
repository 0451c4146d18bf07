"""Several processes do what one does: steps, sharded training, scores, files."""

import random
from functools import partial

import pytest
import torch

from mmlvs.datasets.moving_shapes import MovingShapesSettings, generate
from mmlvs.io.checkpoint import load_checkpoint_file
from mmlvs.registry import MODELS
from tests.tools import jobs
from tests.tools.jobs import config, die_in_write, killed, launch, seeds, start_ranks


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shapes')
    generate(folder, MovingShapesSettings(level='easy', height=64, width=64, frames=8), dict(train=6, valid=1, test=5))
    return folder


def compare(found, want, rtol, atol):
    assert found.keys() == want.keys()
    differ = {}
    for name, value in want.items():
        try:
            torch.testing.assert_close(found[name], value, rtol=rtol, atol=atol)
        except AssertionError as error:
            differ[name] = str(error)
    assert not differ, f'{len(differ)} of {len(want)} differ, the first is {next(iter(differ.items()))}: {list(differ)}'


# ------------------------------------------------------------ a step

SEEDS = seeds(1, 2)
STEPS = {
    'two processes': [(1, 'frames', 2), (2, 'frames', 2)],
    'two processes, clips of several frames, Video-Swin': [(1, 'clips', 2), (2, 'clips', 2)],
    'recomputed activations': [(1, 'frames', 2), (1, 'frames_recomputed', 2)],
    'recomputed activations on two processes': [(1, 'frames', 2), (2, 'frames_recomputed', 2)],
    'accumulated': [(1, 'expressions', 2), (1, 'accumulated', 2)],
    'accumulated on two processes': [(1, 'expressions', 4), (2, 'accumulated', 4)]}
"""Steps that must be the same: (processes, settings, clips in all)."""


@pytest.fixture(scope='module')
def steps(data, tmp_path_factory):
    """What every step found, by (processes, settings, clips, seed)."""
    work, found = tmp_path_factory.mktemp('steps'), {}
    for processes in (1, 2):
        kinds = sorted({(*kind, seed) for pair in STEPS.values() for kind in pair for seed in SEEDS
                        if kind[0] == processes})
        folder = work / str(processes)
        found.update(zip(kinds, launch(processes, folder, *(partial(jobs.step, folder, data, *kind[1:])
                                                            for kind in kinds)), strict=True))
    return found


@pytest.mark.parametrize('seed', SEEDS)
@pytest.mark.parametrize('pair', STEPS.values(), ids=STEPS)
def test_a_step_is_the_same(steps, pair, seed):
    (_, _, clips), (processes, variant, _) = pair
    want, found = (steps[(*kind, seed)] for kind in pair)
    rounds = 2 if variant == 'accumulated' else 1
    assert want['items'] == [clips] and found['items'] == [clips // processes // rounds] * rounds
    assert sum(found['losses']) / rounds == pytest.approx(want['losses'][0], rel=1e-10)
    compare(found['gradients'], want['gradients'], rtol=1e-8, atol=1e-10)
    assert max(float(g.abs().max()) for g in want['gradients'].values()) > 0.1
    assert all(g.dtype == torch.float64 for g in want['gradients'].values())


def test_seeds_differ(steps):
    losses = {seed: steps[1, 'frames', 2, seed]['losses'][0] for seed in SEEDS}
    assert len(set(losses.values())) == len(SEEDS)


# ------------------------------------------------------------ training


def weights(file):
    return load_checkpoint_file(file)['state_dict']


@pytest.fixture(scope='module')
def one(data, tmp_path_factory):
    """Folder of training on one process, and scores there."""
    work = tmp_path_factory.mktemp('one')
    _, scores = launch(1, work, partial(jobs.train, work, data, False),
                       partial(jobs.test, work, data, work / 'copies/iter_3.pth'))
    return work, scores


@pytest.fixture(scope='module')
def two(one, data, tmp_path_factory):
    """Folder of training on two processes, in copies and in shards, the number of weights that a process held then, and
    scores of the weights of one process, in copies and in shards."""
    work, file = tmp_path_factory.mktemp('two'), one[0] / 'copies/iter_3.pth'
    _, _, share, copies, shards = launch(
        2, work, partial(jobs.train, work, data, False), partial(jobs.train, work, data, True, **jobs.RECOMPUTE),
        partial(jobs.resume, work, data, True, **jobs.RECOMPUTE), partial(jobs.test, work, data, file),
        partial(jobs.test, work / 'sharded', data, file, True))
    return work, share['own'], copies, shards


def test_trained_weights_do_not_depend_on_the_number_of_processes(one, two):
    compare(weights(two[0] / 'copies/iter_3.pth'), weights(one[0] / 'copies/iter_3.pth'), rtol=1e-8, atol=1e-10)


def test_sharded_training_is_the_same_training(two, data):
    """FSDP with recomputed activations: weights of every checkpoint as with copies, clipping included."""
    work, share = two[:2]
    for name in ('iter_2.pth', 'iter_3.pth'):
        compare(weights(work / 'shards' / name), weights(work / 'copies' / name), rtol=1e-10, atol=1e-12)
    resumed = weights(work / 'shards/iter_3.pth')
    compare(resumed, weights(work / 'shards/straight.pth'), rtol=0, atol=0)
    start = weights(work / 'copies/iter_2.pth')
    assert max(float((resumed[name] - value).abs().max()) for name, value in start.items()) > 1e-4, 'trained on'
    model = MODELS.build(config(work, data).model)
    keys = model.load_state_dict(resumed, strict=True)
    assert not keys.missing_keys and not keys.unexpected_keys
    assert share < 0.6 * sum(p.numel() for p in model.parameters()), 'a process holds a share of the weights'


@pytest.mark.slow
@pytest.mark.parametrize('seed', seeds(1, 2))
@pytest.mark.parametrize('variant', ['clips', 'accumulated'])
def test_sharded_training_of_other_settings(data, tmp_path, variant, seed):
    """Windowed backbone, several queries and decoder layers, clipping by the largest gradient; accumulation. Every
    process has other random numbers, and starts from the weights of the first all the same."""
    options = {**jobs.VARIANTS[variant], 'seed': seed, 'train_cfg.max_iters': 4, 'randomness.diff_rank_seed': True}
    if variant == 'clips':
        options['optim_wrapper.clip_grad'] = dict(max_norm=1e-3, norm_type='inf')
    launch(2, tmp_path, *(partial(jobs.train, tmp_path, data, sharded, **options) for sharded in (False, True)))
    for name in ('iter_2.pth', 'iter_4.pth'):
        compare(weights(tmp_path / 'shards' / name), weights(tmp_path / 'copies' / name), rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------ scores


def test_scores_and_files_do_not_depend_on_the_number_of_processes(one, two, data, tmp_path):
    """On 1, 2 and 3 processes, bit for bit, the archive too; and of a sharded model."""
    (three, ) = launch(3, tmp_path, partial(jobs.test, tmp_path, data, one[0] / 'copies/iter_3.pth'))
    archives = [(work / 'submission/submission.zip').read_bytes()
                for work in (one[0], two[0], two[0] / 'sharded', tmp_path)]
    assert 'test/J&F' in one[1]
    assert two[2] == two[3] == three == one[1]
    assert all(archive == archives[0] for archive in archives)


# ------------------------------------------------------------ kills


def train_and_die(number, *arguments):
    die_in_write(number)
    jobs.train(*arguments)


def score_and_die(number, *arguments):
    die_in_write(number)
    jobs.test(*arguments)


def same_end(folder, two):
    kind = folder.name
    assert not list(folder.rglob('.*.part*'))
    compare(weights(folder / 'iter_3.pth'), weights(two[0] / kind / 'iter_3.pth'), rtol=0, atol=0)


def end(running, seconds=jobs.LIMIT):
    """Kill all ranks some seconds from now, or when the first has died by itself."""
    killed(*running[0], seconds)
    for process, _ in running[1:]:
        process.kill()
        process.join()


@pytest.mark.slow
@pytest.mark.parametrize('sharded', [False, True], ids=['copies', 'shards'])
def test_two_processes_are_killed_while_writing_and_go_on(two, data, tmp_path, sharded):
    for number in (1, 2):  # in the first checkpoint; resumed from none, in the last
        end(start_ranks(2, tmp_path, train_and_die, number, tmp_path, data, sharded))
        (folder, ) = (path for path in tmp_path.iterdir() if path.is_dir())
        names = sorted(path.name for path in folder.glob('iter*'))
        assert names == ['iter_2.pth'][:number - 1] and len(list(folder.glob('.*.part*'))) == 1
    launch(2, tmp_path, partial(jobs.train, tmp_path, data, sharded))
    same_end(folder, two)


@pytest.mark.slow
@pytest.mark.parametrize('seed', seeds(1, 2))
def test_two_processes_are_killed_at_random_times_and_go_on(two, data, tmp_path, seed):
    draw, sharded = random.Random(seed), bool(seed % 2)
    for _ in range(3):
        end(start_ranks(2, tmp_path, jobs.train, tmp_path, data, sharded), draw.uniform(0.5, 6))
        for path in tmp_path.glob('*/iter*.pth'):
            load_checkpoint_file(path)
    launch(2, tmp_path, partial(jobs.train, tmp_path, data, sharded))
    same_end(tmp_path / ('shards' if sharded else 'copies'), two)


@pytest.mark.slow
@pytest.mark.parametrize('seed', seeds(1, 2))
def test_a_test_on_two_processes_is_killed_and_done_again(one, data, tmp_path, seed):
    draw, work, file = random.Random(seed), tmp_path / 'work', one[0] / 'copies/iter_3.pth'
    images = len(list((one[0] / 'submission').rglob('*.png')))
    for number in (draw.randint(1, images // 3), images // 3 + draw.randint(0, 3)):
        end(start_ranks(2, tmp_path, score_and_die, number, work, data, file))
        assert list(work.rglob('.*.part*')) and not (work / 'submission/submission.zip').exists()
    assert launch(2, tmp_path, partial(jobs.test, work, data, file)) == [one[1]]
    assert not list(work.rglob('.*.part*'))
    names = {path.relative_to(one[0]) for path in (one[0] / 'submission').rglob('*') if path.is_file()}
    assert names == {path.relative_to(work) for path in (work / 'submission').rglob('*') if path.is_file()}
    assert all((work / name).read_bytes() == (one[0] / name).read_bytes() for name in names)
