"""Weights named by ``init_cfg``."""

import pytest
import torch
from torch import nn

from mmlvs.io.checkpoint import CheckpointError
from mmlvs.models.pretrained import check_init_cfg, load_pretrained


class Dangerous:
    ran = False

    def __reduce__(self):
        return (setattr, (Dangerous, 'ran', True))


def test_only_a_checkpoint_may_be_named():
    assert check_init_cfg(None) is None
    good = {'type': 'Pretrained', 'checkpoint': 'a.pth'}
    assert check_init_cfg(good) == good
    for bad in ({'type': 'Kaiming', 'layer': 'Conv2d'}, {'type': 'Pretrained'}, {**good, 'prefix': 'backbone.'}):
        with pytest.raises(ValueError, match='init_cfg must be'):
            check_init_cfg(bad)


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match='Linear needs it.*init_cfg=None'):
        load_pretrained(nn.Linear(2, 2), {'checkpoint': tmp_path / 'none.pth'}, dict)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({'weight': Dangerous()}, tmp_path / 'bad.pth')
    with pytest.raises(CheckpointError):
        load_pretrained(nn.Linear(2, 2), {'checkpoint': tmp_path / 'bad.pth'}, dict)
    assert not Dangerous.ran


def test_names_that_may_be_missing_keep_their_values(tmp_path):
    torch.save({'weight': torch.ones(2, 2)}, tmp_path / 'part.pth')
    layer = nn.Linear(2, 2)
    bias = layer.bias.clone()
    assert load_pretrained(layer, {'checkpoint': tmp_path / 'part.pth'}, dict, may_miss='bias') == ['bias']
    assert torch.equal(layer.weight, torch.ones(2, 2)) and torch.equal(layer.bias, bias)
    with pytest.raises(CheckpointError, match=r'missing: bias \(2,\)'):
        load_pretrained(layer, {'checkpoint': tmp_path / 'part.pth'}, dict)


def test_names_that_are_not_known_are_refused(tmp_path):
    torch.save({'weight': torch.ones(2, 2), 'extra': torch.ones(1)}, tmp_path / 'more.pth')
    with pytest.raises(CheckpointError, match=r'not known: extra \(1,\)'):
        load_pretrained(nn.Linear(2, 2, bias=False), {'checkpoint': tmp_path / 'more.pth'}, dict)
