"""Moving shapes on disk: layout, repeatability, resumption, the command, and the ordinary reader."""

import hashlib
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmlvs.datasets.moving_shapes import MovingShapesSettings, format_statistics, generate, make_video
from mmlvs.datasets.moving_shapes.scene import SHAPES
from mmlvs.datasets.moving_shapes.video import frame_names, video_names
from mmlvs.io.masks import pascal_palette

EASY = MovingShapesSettings(level='easy', seed=3)


def hashes(root: Path) -> dict[str, str]:
    """Relative path -> hash of every file except the lock."""
    files = sorted(path for path in root.rglob('*') if path.is_file() and path.name != '.lock')
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope='module')
def easy_set(tmp_path_factory):
    root = tmp_path_factory.mktemp('shapes') / 'easy'
    statistics = generate(root, EASY, {'train': 6, 'valid': 3})
    return root, statistics


# ---------------------------------------------------------------- the data set on disk
def test_layout_is_that_of_ref_youtube_vos(easy_set):
    root, _ = easy_set
    for split, count in (('train', 6), ('valid', 3)):
        meta = json.loads((root / split / 'meta.json').read_text())['videos']
        sentences = json.loads((root / 'meta_expressions' / split / 'meta_expressions.json').read_text())['videos']
        assert list(meta) == list(sentences) == video_names(EASY, split, count)
        assert all(re.fullmatch('[0-9a-f]{10}', name) for name in meta)
        for name, video in sentences.items():
            assert video['frames'] == [f'{t:05d}' for t in range(12)]
            assert list(video['expressions']) == [str(k) for k in range(len(video['expressions']))]
            assert {entry['obj_id'] for entry in video['expressions'].values()} <= set(meta[name]['objects'])
            folders = root / split / 'JPEGImages' / name, root / split / 'Annotations' / name
            assert sorted(path.name for path in folders[0].iterdir()) == [f'{frame}.jpg' for frame in video['frames']]
            assert sorted(path.name for path in folders[1].iterdir()) == [f'{frame}.png' for frame in video['frames']]
            seen = {}
            for frame in video['frames']:
                with Image.open(folders[1] / f'{frame}.png') as image:
                    assert image.mode == 'P' and image.size == (128, 128)
                    palette = np.array(image.getpalette()).reshape(-1, 3)
                    np.testing.assert_array_equal(palette, pascal_palette()[: len(palette)])
                    for value in np.unique(np.array(image)):
                        seen.setdefault(str(value), []).append(frame)
                with Image.open(folders[0] / f'{frame}.jpg') as image:
                    assert image.mode == 'RGB' and image.size == (128, 128)
            del seen['0']
            assert seen == {key: one['frames'] for key, one in meta[name]['objects'].items()}
            assert all(one['category'] in SHAPES for one in meta[name]['objects'].values())
    assert not (root / '.progress').exists()


def test_written_files_hold_the_video(easy_set):
    root, _ = easy_set
    video = make_video(EASY, 'valid', 2)
    for t, frame in enumerate(frame_names(12)):
        with Image.open(root / 'valid' / 'Annotations' / video.name / f'{frame}.png') as image:
            np.testing.assert_array_equal(np.array(image), video.index[t])
        with Image.open(root / 'valid' / 'JPEGImages' / video.name / f'{frame}.jpg') as image:
            assert np.abs(np.array(image).astype(int) - video.frames[t]).mean() < 3


def test_same_seed_same_bytes_with_any_number_of_workers(easy_set, tmp_path):
    root, statistics = easy_set
    again = generate(tmp_path / 'again', EASY, {'valid': 3, 'train': 6}, workers=2)
    assert hashes(tmp_path / 'again') == hashes(root) and again == statistics


def test_seed_and_split_change_the_videos_and_more_videos_begin_alike(easy_set, tmp_path):
    root, _ = easy_set
    generate(tmp_path / 'more', EASY, {'train': 7})
    old = {path: code for path, code in hashes(root).items() if path.startswith(('train/JPEG', 'train/Ann'))}
    new = hashes(tmp_path / 'more')
    assert old.items() <= new.items()
    assert not set(video_names(EASY, 'train', 50)) & set(video_names(EASY, 'valid', 50))
    assert video_names(MovingShapesSettings(seed=4), 'train', 1) != video_names(EASY, 'train', 1)
    kinds = [(seed, split) for seed in (3, 4) for split in ('train', 'valid')]
    pictures = [make_video(MovingShapesSettings(seed=seed), split, 0).frames for seed, split in kinds]
    assert all((pictures[i] != pictures[j]).any() for i in range(4) for j in range(i))


def test_interrupted_run_goes_on_and_ends_the_same(easy_set, tmp_path):
    root, _ = easy_set

    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / 'set', EASY, {'train': 6, 'valid': 3}, progress=interrupt)
    assert not (tmp_path / 'set' / 'train' / 'meta.json').exists()
    broken = next((tmp_path / 'set' / 'train' / 'JPEGImages').iterdir())
    next(broken.iterdir()).unlink()  # a video that lost a frame is made again
    calls = []
    generate(tmp_path / 'set', EASY, {'train': 6, 'valid': 3}, progress=lambda done, total: calls.append((done, total)))
    assert calls[0] == (3, 9) and calls[-1] == (9, 9)
    assert hashes(tmp_path / 'set') == hashes(root)


def test_complete_folder_is_kept_and_other_settings_are_refused(easy_set):
    root, statistics = easy_set
    before = {path: path.stat().st_mtime_ns for path in root.rglob('*.jpg')}
    assert generate(root, EASY, {'train': 6, 'valid': 3}) == statistics
    assert {path: path.stat().st_mtime_ns for path in root.rglob('*.jpg')} == before
    with pytest.raises(FileExistsError, match=r'other settings \(videos.*delete this one'):
        generate(root, EASY, {'train': 7, 'valid': 3})
    with pytest.raises(FileExistsError, match='other settings'):
        generate(root, MovingShapesSettings(level='full', seed=3), {'train': 6, 'valid': 3})


def test_damaged_and_foreign_folders_are_refused(tmp_path):
    generate(tmp_path / 'set', EASY, {'train': 1})
    next((tmp_path / 'set' / 'train' / 'Annotations').rglob('*.png')).unlink()
    with pytest.raises(FileNotFoundError, match='make it again'):
        generate(tmp_path / 'set', EASY, {'train': 1})
    (tmp_path / 'other' / 'train').mkdir(parents=True)
    with pytest.raises(FileExistsError, match='not a data set of moving shapes'):
        generate(tmp_path / 'other', EASY, {'train': 1})


@pytest.mark.parametrize('videos', [{}, {'val': 3}, {'train': 0}])
def test_wrong_numbers_of_videos_are_refused(videos, tmp_path):
    with pytest.raises(ValueError, match='videos must give'):
        generate(tmp_path, EASY, videos)


# ---------------------------------------------------------------- statistics and command
def test_answers_that_ignore_the_sentence_score_low(easy_set):
    _, statistics = easy_set
    for numbers in statistics.values():
        assert sum(numbers['clue_types'].values()) == numbers['expressions'] >= 2 * numbers['videos']
        assert all(0 < score <= 0.5 for score in numbers['trivial_j'].values())
    text = format_statistics(statistics)
    assert 'train: 6 videos, 72 frames' in text and 'clue types: appearance' in text and 'largest object 0.' in text


def load_tool():
    path = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'make_moving_shapes.py'
    spec = importlib.util.spec_from_file_location('make_moving_shapes', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_command(tmp_path, capsys):
    tool = load_tool()
    arguments = ['--out', str(tmp_path / 'set'), '--level', 'full', '--frames', '8', '--size', '64', '96', '--videos']
    assert tool.main([*arguments, 'train=2', 'test=1']) == 0
    assert 'train: 2 videos, 16 frames' in capsys.readouterr().out
    settings = json.loads((tmp_path / 'set' / 'moving_shapes.json').read_text())['settings']
    assert settings == dict(level='full', form='rvos', seed=0, height=64, width=96, frames=8)
    assert tool.main([*arguments, 'train=3']) == 1
    assert 'other settings' in capsys.readouterr().err
    assert tool.main([*arguments, 'train']) == 1
    assert 'SPLIT=NUMBER' in capsys.readouterr().err


# ---------------------------------------------------------------- the ordinary reader
def test_ordinary_data_set_class_reads_it(easy_set):
    from mmlvs.datasets import RefYouTubeVOSDataset

    root, statistics = easy_set
    pipeline = [dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='PackClip')]
    data = RefYouTubeVOSDataset(data_root=root, split='valid', test_mode=True, with_masks=True, pipeline=pipeline)
    assert len(data) == statistics['valid']['videos']
    video, item = make_video(EASY, 'valid', 1), data[1]
    sample = item['data_samples']
    assert sample.video_id == video.name and sample.texts == [expression.text for expression in video.expressions]
    spans = [[list(span) for span in chunks] for chunks in sample.noun_chunks]
    assert spans == [expression.noun_chunks for expression in video.expressions]
    assert [info['clue_type'] for info in sample.expressions_info] == ['appearance'] * len(video.expressions)
    assert tuple(item['inputs']['img'].shape) == (12, 3, 128, 128)
    for n, expression in enumerate(video.expressions):
        np.testing.assert_array_equal(np.asarray(sample.target(n)), video.index == expression.referent + 1)
