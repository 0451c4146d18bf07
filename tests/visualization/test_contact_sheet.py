import numpy as np
import pytest
from PIL import Image

from mmlvs.visualization import SheetRow, contact_sheet, overlay_saliency, spread, write_contact_sheet


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


def cells(sheet, rows, columns, height=32, width=48):
    """Cells (rows, columns, height, width, 3) of the last panel of a sheet."""
    tops = [sheet.shape[0] - 8 - (height + 2) * (rows - r) for r in range(rows)]
    lefts = [sheet.shape[1] - 8 - (width + 2) * (columns - c) for c in range(columns)]
    return np.stack([[sheet[top:top + height, left:left + width] for left in lefts] for top in tops])


def soft_row(**changes):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 32, 48, 3), dtype=np.uint8)
    soft = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (4, 32, 1))
    settings = dict(text='', frames=frames, prediction=soft > 200, soft=soft, threshold=200, target=soft > 100)
    return SheetRow(**settings | changes)


def test_soft_maps_get_strips_of_their_own():
    row = soft_row(flow=np.full((4, 8, 12, 3), (0, 200, 0), np.uint8))
    shown = cells(contact_sheet([row], columns=4, cell_height=32), rows=5, columns=4)
    np.testing.assert_array_equal(shown[0], row.frames)
    assert (shown[1] == (0, 200, 0)).all()
    for t in range(4):
        np.testing.assert_array_equal(shown[3, t], overlay_saliency(row.frames[t], row.soft[t], threshold=200))
    plain = SheetRow(text='x', frames=row.frames, prediction=row.prediction, target=row.target)
    np.testing.assert_array_equal(shown[[2, 4]], cells(contact_sheet([plain], columns=4, cell_height=32), 2, 4))


def test_no_empty_column_of_text():
    bare, worded = (contact_sheet([soft_row(text=text)], columns=4, cell_height=32) for text in ('', 'the swan'))
    assert worded.shape[1] == 13 * 14 + 4 * 50 + 16 and bare.shape[1] < worded.shape[1] - 60
    assert bare.shape[0] == worded.shape[0] == 4 * 34 + 16


def test_soft_truth_stays_soft_and_missing_truth_blank():
    levels = np.full((4, 32, 48), 90, np.uint8)
    sheet = contact_sheet([soft_row(target=levels, annotated=np.array([True, False, True, True]))], columns=4,
                          cell_height=32)
    truth = cells(sheet, rows=4, columns=4)[1]
    np.testing.assert_array_equal(truth[0], overlay_saliency(soft_row().frames[0], levels[0], threshold=200))
    assert (truth[1, 20:] == 225).all() and not (truth[2] == 225).all(-1).any()


def test_spread():
    assert spread(10, 4).tolist() == [0, 3, 6, 9] and spread(2, 6).tolist() == [0, 1] and spread(1, 3).tolist() == [0]


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
    with pytest.raises(ValueError, match='expected soft .T, H, W'):
        soft_row(soft=np.zeros((4, 32, 47), np.uint8))
    with pytest.raises(ValueError, match='found float64'):
        soft_row(soft=np.zeros((4, 32, 48)))
    with pytest.raises(ValueError, match='expected flow .4, h, w, 3.'):
        soft_row(flow=np.zeros((3, 8, 12, 3), np.uint8))
