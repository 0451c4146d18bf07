import numpy as np
import pytest
from mmengine.config import Config

from mmlvs.engine.measuring import MeasurementTable, build_for_measuring
from mmlvs.engine.measuring_flow import FlowSteps, measure_flow
from mmlvs.engine.synthetic import synthetic_video
from mmlvs.io.flow import DISFlow
from tests.tools.loading import ROOT


class Drifting:
    """Flow that is never the same twice."""

    def __init__(self):
        self.calls = 0

    def __call__(self, frame, next_frame):
        self.calls += 1
        flow = np.zeros((*frame.shape[:2], 2), np.float32)
        flow[:, :8 * (self.calls % 5) + 8, self.calls % 2] = 1
        return flow


@pytest.fixture
def model():
    return build_for_measuring(Config.fromfile(ROOT / 'configs/isomer/isomer_tiny_1xb2-2000i_real-clips.py').model)


@pytest.fixture(scope='module')
def frames():
    return synthetic_video(shape=(3, 48, 64), seed=1)


def test_synthetic_video_moves_as_flow_finds_it():
    video = synthetic_video(shape=(2, 160, 400))
    assert video.shape == (2, 160, 400, 3) and video.dtype == np.uint8
    flow = DISFlow()(*video)
    assert np.median(flow[5:35, 20:380], axis=(0, 1)) == pytest.approx([-2, 0], abs=0.1)  # the background pans
    assert np.median(flow[60:100, 30:110], axis=(0, 1)) == pytest.approx([4, 0], abs=0.1)  # the object does not


@pytest.mark.parametrize('at_once', [2, 8])
@pytest.mark.parametrize('size', [None, (40, 72)])
def test_all_sides_compute_the_same_and_results_are_a_frame(model, frames, at_once, size):
    model.frames_at_once, model.data_preprocessor.codec.size = at_once, size
    shown = []
    table = MeasurementTable(conditions={}, show=shown.append)
    measure_flow(table, model, frames, repeats=2, warmup=0)
    named = {row['name']: row for row in table.rows}
    difference, a, b = (named[name] for name in ('largest difference of maps', 'a: network, flow images given',
                                                 'b: raw video, flow on the way'))
    assert difference['value'] <= 1 and difference['frames_at_once'] == at_once
    assert difference['network'] == ('48 x 64' if size is None else '40 x 72') and not model.training
    assert a['per_second'] == pytest.approx(1 / a['median_s']) and b['rounds'] == 2
    assert 'DISFlow (preset medium), on cpu' in shown[0]


def test_the_network_runs_a_few_frames_at_a_time(model, frames):
    model.frames_at_once = 2
    steps = FlowSteps(model=model, frames=frames)
    assert [tuple(logits.shape) for logits in steps.network()] == [(2, 48, 64), (1, 48, 64)]
    assert not steps.network()[0].requires_grad and len(steps.estimate()) == len(steps.video()) == 3
    assert np.abs(steps.maps().astype(int) - np.stack(steps.video())).max() <= 1
    assert not np.array_equal(steps.maps(steps.flow.flip(0)), steps.maps())


def test_another_flow_is_refused(model, frames):
    model.flow = Drifting()
    table = MeasurementTable(conditions={}, show=lambda line: None)
    with pytest.raises(ValueError, match='not the same computation'):
        measure_flow(table, model, frames)
    assert [row['name'] for row in table.rows] == ['largest difference of maps'] and table.rows[0]['value'] > 1
    measure_flow(table, model, frames, repeats=1, warmup=0, tolerance=255)


def test_what_cannot_be_measured_is_explained(model, frames):
    with pytest.raises(ValueError, match='found 1 frame; flow needs'):
        FlowSteps(model=model, frames=frames[:1])
    model.flow = None
    with pytest.raises(ValueError, match='Isomer of this config computes no optical flow'):
        FlowSteps(model=model, frames=frames)
