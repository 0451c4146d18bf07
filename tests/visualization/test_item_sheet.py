import numpy as np
import pytest
import torch
from PIL import Image

from mmlvs.engine.synthetic import synthetic_item
from mmlvs.visualization import item_panel, mask_colors, write_item_sheet
from mmlvs.visualization.item_sheet import to_pictures

TEXTS = ['the bright block that moves to the right', 'the same', 'the other']


@pytest.fixture
def item():
    return synthetic_item(shape=(4, 48, 64), texts=TEXTS)


def count(panel, color):
    return int((panel == np.asarray(color)).all(axis=-1).sum())


def test_boxes_and_squares_have_the_object_color(item):
    panel = item_panel(item, columns=2, cell_height=96)
    assert panel.dtype == np.uint8 and panel.shape[1] > 2 * 128
    (color,) = mask_colors(1)
    with_box = count(panel, color)
    assert with_box > 200
    item['data_samples'].gt_valid[:] = False
    assert 0 < count(item_panel(item, columns=2, cell_height=96), color) <= with_box
    item['data_samples'].gt_objects = [[], [], []]
    assert count(item_panel(item, columns=2, cell_height=96), (200, 200, 200)) > 50  # grey: nobody is meant


def test_truth_of_another_size_than_the_frames(item):
    plain = item_panel(item, columns=1, cell_height=96)
    sample = item['data_samples']
    masks, boxes = sample.gt_masks, sample.gt_boxes
    del sample.gt_masks, sample.gt_boxes, sample.gt_ignore
    sample.gt_masks = masks.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    sample.gt_boxes, sample.gt_ignore = 2 * boxes, torch.zeros(sample.gt_masks.shape[1:], dtype=torch.bool)
    np.testing.assert_array_equal(item_panel(item, columns=1, cell_height=96), plain)


def test_without_truth_and_texts(item):
    sample = item['data_samples']
    for name in ('gt_masks', 'gt_boxes', 'gt_valid', 'gt_ignore', 'gt_annotated', 'gt_objects', 'gt_labels'):
        delattr(sample, name)
    shown = item_panel(item)
    sample.set_metainfo(dict(texts=[f'sentence {n}' for n in range(30)]))
    assert item_panel(item, max_texts=3).shape[0] < item_panel(item, max_texts=30).shape[0]
    assert shown.std() > 5


def test_pictures_of_floats():
    frames = torch.tensor([0.0, 0.5, 1.2]).view(1, 3, 1, 1)
    assert to_pictures(frames).tolist() == [[[[0, 128, 255]]]]


def test_sheet(item, tmp_path):
    panels = [item_panel(item, columns=1), item_panel(item, columns=3)]
    path = write_item_sheet(tmp_path / 'sheet.png', panels, title='two items', width=panels[1].shape[1])
    with Image.open(path) as image:
        assert image.width == panels[1].shape[1] + 24 and image.height > sum(panel.shape[0] for panel in panels)
    path = write_item_sheet(tmp_path / 'wide.png', panels, width=3 * panels[1].shape[1])
    with Image.open(path) as image:  # side by side
        assert image.width == 2 * (panels[1].shape[1] + 24) and image.height < sum(panel.shape[0] for panel in panels)
    with pytest.raises(ValueError, match='at least one panel'):
        write_item_sheet(tmp_path / 'no.png', [])
    with pytest.raises(KeyError, match="no stream 'flow'"):
        item_panel(item, stream='flow')
    item['inputs']['img'] = item['inputs']['img'][:0]
    with pytest.raises(ValueError, match='expected a frame'):
        item_panel(item)
