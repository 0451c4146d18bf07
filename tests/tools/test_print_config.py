import pytest
from mmengine.config import Config

from tests.tools.loading import TINY, load_tool


@pytest.fixture(scope='module')
def tool():
    return load_tool('misc/print_config.py')


def test_whole_config(tool, tmp_path, capsys):
    out = tmp_path / 'config.py'
    assert tool.main([str(TINY), '--cfg-options', 'model.num_queries=7', '--out', str(out), '--check']) == 0
    text = capsys.readouterr().out
    assert 'num_queries=7' in text and 'default_hooks' in text and '_base_' not in text and 'every key is known' in text
    assert Config.fromfile(out).model.num_queries == 7


@pytest.mark.parametrize(('key', 'expected'), [
    ('model.backbone', "type='ResNetBackbone'"), ('train_dataloader.dataset.pipeline.1', "type='LoadFrames'"),
    ('max_iters', 'max_iters = 640'),
])
def test_part(tool, capsys, key, expected):
    assert tool.main([str(TINY), '--key', key]) == 0
    text = capsys.readouterr().out
    assert expected in text and 'optim_wrapper' not in text


def test_errors(tool, capsys):
    assert tool.main([str(TINY), '--key', 'model.backbon']) == 1
    assert "error: model has no 'backbon'; it has type" in capsys.readouterr().err
    assert tool.main([str(TINY), '--check', '--cfg-options', 'model.num_querie=3']) == 1
    assert "did you mean 'num_queries'?" in capsys.readouterr().err
    assert tool.main(['none.py']) == 1
    assert 'there is no config' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool.main([str(TINY), '--out', 'config.txt'])
