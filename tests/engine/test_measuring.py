import csv

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmlvs.engine.measuring import (
    MeasurementTable,
    build_for_measuring,
    largest_difference,
    load_factory,
    seconds,
    step_of,
)
from mmlvs.engine.synthetic import WORDS, synthetic_item, synthetic_texts
from mmlvs.utils.timing import Timing
from tests.tools.loading import TINY


def test_texts_differ_and_have_their_length():
    texts = synthetic_texts(300, words=6)
    assert len(set(texts)) == 300 and {len(text.split()) for text in texts} == {6}
    assert set(' '.join(texts).split()) <= set(WORDS)
    with pytest.raises(ValueError, match='17 different sentences of 1 words'):
        synthetic_texts(17, words=1)


def test_items_of_one_video():
    first, second = (synthetic_item(shape=(3, 20, 30), texts=['a', 'b'], clip=clip, num_clips=2) for clip in (0, 1))
    assert first['inputs']['img'].shape == (3, 3, 20, 30) and first['inputs']['img'].dtype == torch.uint8
    samples = [first['data_samples'], second['data_samples']]
    assert [sample.metainfo['clip'] for sample in samples] == [
        dict(index=0, is_first=True, is_last=False), dict(index=1, is_first=False, is_last=True)]
    assert samples[1].metainfo['frame_ids'] == ['00003', '00004', '00005'] and samples[1].metainfo['num_frames'] == 6
    for sample in samples:
        for t in range(3):
            y, x = sample.target(1)[t].nonzero(as_tuple=True)
            assert sample.gt_boxes[0, t].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
    assert first['inputs']['img'][0, :, 8, 2].min() >= 95  # the object is bright


@pytest.fixture(scope='module')
def model():
    return build_for_measuring(Config.fromfile(TINY).model)


def data(texts=2):
    return pseudo_collate([synthetic_item(shape=(2, 40, 48), texts=synthetic_texts(texts))])


def test_a_measured_model_keeps_nothing(model):
    weights = {name: value.clone() for name, value in model.state_dict().items() if 'running' not in name
               and 'num_batches' not in name and value.is_floating_point()}
    assert model.text_encoder.cache_size == 0
    assert step_of(model, data(), 'forward')()['pred_masks'].shape[1] == 2
    assert step_of(model, data(), 'predict')()[0].pred_masks.shape == (2, 2, 40, 48)
    train = step_of(model, data(), 'train')
    train()
    train()
    assert model.training and all(torch.equal(model.state_dict()[name], value) for name, value in weights.items())
    assert model.backbone.stem[0].weight.grad is not None if hasattr(model.backbone, 'stem') else True
    with pytest.raises(ValueError, match="mode 'loss'"):
        step_of(model, data(), 'loss')


def test_largest_difference():
    one = dict(a=torch.tensor([1.0, 10.0]), b=torch.zeros(0))
    assert largest_difference(one, one) == 0
    assert largest_difference(one, one | dict(a=torch.tensor([2.0, 10.0]))) == pytest.approx(0.1)
    with pytest.raises(ValueError, match='expected outputs'):
        largest_difference(one, dict(a=one['a']))
    with pytest.raises(ValueError, match='NaN'):
        largest_difference(one, one | dict(a=torch.tensor([float('nan'), 1.0])))


def test_factory(tmp_path):
    file = tmp_path / 'forms.py'
    file.write_text('from dataclasses import dataclass\n\n@dataclass\nclass X:\n    y: int = 3\n\n'
                    'def double(x):\n    return 2 * x\n\nnumber = 3\n')
    assert load_factory(f'{file}:double')(4) == 8
    for name, error in ((f'{file}:number', ValueError), (f'{file}', ValueError), ('no.py:f', FileNotFoundError)):
        with pytest.raises(error):
            load_factory(name)


def test_table(tmp_path):
    shown = []
    table = MeasurementTable(conditions={'cpu': 'a processor'}, show=shown.append)
    table.timing('ours', Timing((0.5, 0.5)), amount=2, unit='frames', baseline=Timing((1.0, 1.0)), note='a remark')
    table.value('memory', 3.0, '3 MiB', unit='MiB')
    assert shown[0].startswith('ours') and '4.00 frames/s' in shown[0] and shown[0].endswith('a remark')
    assert '2.00x (2.00 .. 2.00) the speed of the baseline' in shown[0] and shown[1].endswith('3 MiB')
    table.write(tmp_path / 'table.csv')
    with open(tmp_path / 'table.csv', newline='') as file:
        first, second = csv.DictReader(file)
    assert first['ratio'] == '2.0' and first['per_second'] == '4.0' and first['cpu'] == 'a processor'
    assert second['value'] == '3.0' and second['ratio'] == ''


def test_units_of_seconds():
    assert [seconds(value) for value in (12.345, 0.0123, 0.0000123)] == ['12.35 s', '12.3 ms', '12 us']
