import numpy as np
import pytest
from PIL import Image

from mmlvs.visualization import SheetRow, contact_sheet, write_contact_sheet


def row(text='the star', frames=8, height=32, width=48, truth=True):
    masks = np.zeros((frames, height, width), bool)
    masks[:, 8:24, 8:40] = True
    return SheetRow(text=text, frames=np.full((frames, height, width, 3), 128, np.uint8), prediction=masks,
                    target=~masks if truth else None, note='video 3, J&F 71.2')


def test_sheet_shows_truth_above_prediction():
    sheet = contact_sheet([row()], columns=3, cell_height=32)
    assert sheet.shape == (2 * 34 + 16, 13 * 14 + 3 * 50 + 16, 3)
    left = 8 + 13 * 14
    truth, guess = sheet[8 + 16, left + 24], sheet[8 + 34 + 16, left + 24]  # not in the truth, in the guess
    assert (truth == 64).all() and (guess == 128).all()


def test_short_videos_and_no_truth():
    sheet = contact_sheet([row(frames=2, truth=False), row(frames=9)], columns=6, cell_height=32)
    assert sheet.shape[0] == 34 + 68 + 3 * 8
    titled = contact_sheet([row()], columns=2, cell_height=32, title='ReferFormer')
    assert titled.shape[0] > contact_sheet([row()], columns=2, cell_height=32).shape[0]


def test_all_frames_are_spread(tmp_path):
    frames = np.zeros((10, 16, 16, 3), np.uint8)
    frames[:] = (np.arange(10) * 20)[:, None, None, None]
    empty = np.zeros((10, 16, 16), bool)
    sheet = contact_sheet([SheetRow(text='x', frames=frames, prediction=empty)], columns=4, cell_height=16)
    left = 8 + 13 * 14
    assert [int(sheet[16, left + 8 + 18 * column, 0]) for column in range(4)] == [0, 30, 60, 90]  # dimmed


def test_write(tmp_path):
    path = write_contact_sheet(tmp_path / 'out' / 'sheet.png', [row()], columns=2)
    with Image.open(path) as image:
        assert image.format == 'PNG'


def test_explains():
    with pytest.raises(ValueError, match='needs a row'):
        contact_sheet([])
    good = row()
    with pytest.raises(ValueError, match="'the star': expected target"):
        SheetRow(text='the star', frames=good.frames, prediction=good.prediction, target=good.target[:2])
    with pytest.raises(ValueError, match='expected frames'):
        SheetRow(text='x', frames=good.frames[:0], prediction=good.prediction[:0])
