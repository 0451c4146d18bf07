"""Sentences about kinds of moving shapes."""

import json

import numpy as np
import pytest

from mmlvs.datasets import RefYouTubeVOSDataset
from mmlvs.datasets.moving_shapes import MovingShapesSettings, generate, make_video, write_kinds
from mmlvs.datasets.moving_shapes.kinds import draw_kinds, kinds_of, truth_of
from mmlvs.datasets.moving_shapes.scene import SHAPES
from mmlvs.datasets.moving_shapes.video import meta_entry
from tests.tools.loading import load_tool

FULL = MovingShapesSettings(level='full', seed=5)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('kinds') / 'full'
    generate(root, FULL, {'train': 5, 'valid': 2})
    return root


@pytest.fixture(scope='module')
def video():
    return make_video(FULL, 'train', 0)


def test_a_kind_holds_for_its_objects_and_for_no_other(video):
    truth = truth_of(json.loads(json.dumps(meta_entry(video))), height=128, width=128)
    kinds = list(kinds_of(truth))
    assert kinds and len({text for _, text, _ in kinds}) == len(kinds)
    for clue_type, text, objects in kinds:
        assert 0 < objects < truth.everyone and text.startswith('every ')
        if clue_type == 'appearance':  # the words are the attributes
            words = set(text.split()) - {'every', 'object'}
            fit = [words <= {record.shape, record.color, record.size} for record in video.records]
            assert fit == [bool(objects >> i & 1) for i in range(len(fit))]
    assert {'appearance', 'relation'} <= {clue_type for clue_type, _, _ in kinds}


def test_types_take_turns_without_repetition(video):
    truth = truth_of(meta_entry(video), height=128, width=128)
    drawn = draw_kinds(np.random.default_rng(0), truth, types=('appearance', 'relation'), most=4)
    assert sorted(clue_type for clue_type, _, _ in drawn) == ['appearance'] * 2 + ['relation'] * 2
    every = draw_kinds(np.random.default_rng(0), truth, types=('appearance', 'relation'), most=1000)
    assert sorted(every) == sorted(kind for kind in kinds_of(truth) if kind[0] in ('appearance', 'relation'))


def test_file_keeps_sentences_of_the_types_and_is_read(root):
    path = write_kinds(root, types=('appearance', 'relation'), most=2, name='looks')
    first = path.read_bytes()
    own = json.loads((path.parent / 'meta_expressions.json').read_text())['videos']
    for name, entry in json.loads(first)['videos'].items():
        kept = [one['exp'] for one in own[name]['expressions'].values()
                if one['clue_type'] in ('appearance', 'relation')]
        texts = [one['exp'] for one in entry['expressions'].values()]
        assert texts[:len(kept)] == kept and len(texts) - len(kept) <= 2
        assert all(text.startswith('every ') for text in texts[len(kept):])
    assert write_kinds(root, types=('appearance', 'relation'), most=2, name='looks').read_bytes() == first
    layout = dict(expressions='meta_expressions/{split}/looks.json', without={})
    dataset = RefYouTubeVOSDataset(data_root=root, layout=layout, unit='video', clip_length=1)
    assert sum(len(entry['expressions']) for entry in json.loads(first)['videos'].values()) == len(dataset.texts())


def test_kinds_of_one_attribute_alone(root):
    path = write_kinds(root, types=('appearance', ), attributes=('shape', ), most=9, only_kinds=True, name='shapes')
    for entry in json.loads(path.read_text())['videos'].values():
        texts = [one['exp'] for one in entry['expressions'].values()]
        assert 2 <= len(texts) == len(set(texts)) and all(text.split()[1] in SHAPES for text in texts)
    with pytest.raises(ValueError, match='attributes .*weight.* expected some of'):
        write_kinds(root, attributes=('weight', ))


def test_command(root, capsys):
    tool = load_tool('dataset_converters/make_shape_kinds.py')
    assert tool.main([str(root), '--split', 'valid', '--most', '0', '--types', 'motion', '--name', 'moves']) == 0
    assert (root / 'meta_expressions/valid/moves.json').is_file() and 'moves.json' in capsys.readouterr().out
    assert tool.main([str(root), '--split', 'test']) == 1
    assert "finished data set of moving shapes with the split 'test'" in capsys.readouterr().err
    assert tool.main([str(root), '--name', 'meta_expressions']) == 1
    with pytest.raises(ValueError, match='expected some of'):
        write_kinds(root, types=('look', ))
