"""The example of an outside method: every kind of item, training and prediction."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmlvs.registry import MODELS
from mmlvs.utils import check_config
from tests.doors.dummies import KINDS, DummyClips

CONFIG = Path(__file__).parents[2] / 'projects/word_map/configs/word-map_tiny_1xb8-200i_moving-shapes-easy.py'


@pytest.fixture(scope='module')
def model():
    cfg = Config.fromfile(CONFIG)
    check_config(cfg)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    model.text_encoder.build_vocabulary(DummyClips().texts())
    return model


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_of_item(model, kind):
    batch = pseudo_collate([DummyClips(kind=kind)[i] for i in range(2)])
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    assert all(torch.isfinite(value) and (value > 0) == (kind != 'no_expression') for value in losses.values())
    model.eval()
    with torch.no_grad():
        samples = model(**model.data_preprocessor(batch, False), mode='predict')
    assert [len(sample.pred_masks) for sample in samples] == [sample.num_expressions for sample in samples]


def test_it_learns_bright_squares(model):
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    batch = pseudo_collate([DummyClips()[i] for i in range(4)])
    history = []
    for _ in range(40):
        losses = model(**model.data_preprocessor(batch, True), mode='loss')
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append(float(losses['loss_dice'].detach()))
    assert history[-1] < 0.5 * history[0]
