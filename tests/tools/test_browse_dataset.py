import numpy as np
import pytest
from PIL import Image

from tests.tools.loading import SAMPLES, TINY, load_tool


@pytest.fixture(scope='module')
def tool():
    return load_tool('analysis_tools/browse_dataset.py')


def command(out, *more):
    options = [f'{part}_dataloader.dataset.data_root={SAMPLES}' for part in ('train', 'val', 'test')]
    return [str(TINY), '--out', str(out), '--cell-height', '48', '--columns', '3', *more, '--cfg-options', *options]


def test_train(tool, tmp_path, capsys):
    out = tmp_path / 'sheet.png'
    assert tool.main(command(out, '--number', '2')) == 0
    assert '2 of ' in capsys.readouterr().out
    with Image.open(out) as image:
        picture = np.asarray(image)
    assert picture.ndim == 3 and picture.std() > 10
    assert tool.main(command(tmp_path / 'one.png', '--items', '1', '--epoch', '3')) == 0
    with Image.open(tmp_path / 'one.png') as image:
        assert image.width < picture.shape[1]  # two stand side by side


def test_split_without_masks(tool, tmp_path):
    options = ['val_dataloader.dataset.with_masks=auto', 'val_dataloader.dataset.limit=1']
    assert tool.main([*command(tmp_path / 'val.png', '--split', 'val'), *options]) == 0
    with Image.open(tmp_path / 'val.png') as image:
        assert image.width > 3 * 48


def test_errors(tool, tmp_path, capsys):
    out = tmp_path / 'sheet.png'
    assert tool.main(command(out, '--items', '999')) == 1
    assert '--items [999]: the data set has items 0 to' in capsys.readouterr().err
    assert tool.main(command(out, '--stream', 'flow')) == 1
    assert "no stream 'flow' in the item; it has ['img']" in capsys.readouterr().err
    config = tmp_path / 'config.py'
    config.write_text('train_dataloader = dict(dataset=dict(type="X"))\n')
    assert tool.main([str(config), '--split', 'val']) == 1
    assert 'has no val_dataloader; choose --split train' in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(SystemExit):
        tool.main([str(TINY), '--out', 'sheet.jpg'])
