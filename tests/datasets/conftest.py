"""A split in the layout of Ref-YouTube-VOS, written file by file."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_root(tmp_path):
    """Function that writes ``{video: dict(frames, expressions, [masks])}`` as an official split and returns the root.

    A frame is (H, W) = ``size``; masks are ``{frame: index array}``, by default object 1 in a rectangle.
    """
    def make(videos, split='train', size=(20, 30), with_masks=True):
        entries = {}
        for video, entry in videos.items():
            for kind in ('JPEGImages', 'Annotations') if with_masks else ('JPEGImages',):
                (tmp_path / split / kind / video).mkdir(parents=True)
            for t, frame in enumerate(entry['frames']):
                pixels = np.full((*size, 3), 40 * (t % 5), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / 'JPEGImages' / video / f'{frame}.jpg')
                index = np.zeros(size, dtype=np.uint8)
                index[5:10, 4:12] = 1
                index = entry.get('masks', {}).get(frame, index)
                if with_masks:
                    image = Image.fromarray(index)
                    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
                    image.save(tmp_path / split / 'Annotations' / video / f'{frame}.png')
            entries[video] = dict(frames=list(entry['frames']), expressions=entry['expressions'])
        folder = tmp_path / 'meta_expressions' / split
        folder.mkdir(parents=True)
        (folder / 'meta_expressions.json').write_text(json.dumps(dict(videos=entries)))
        return tmp_path

    return make
