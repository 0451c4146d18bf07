import json
import os

import pytest

from mmlvs.io import atomic_path, write_json, write_text
from mmlvs.io.atomic import remove_parts


def test_file_appears_whole(tmp_path):
    target = tmp_path / 'new' / 'folder' / 'file.txt'
    with atomic_path(target) as temporary:
        temporary.write_text('half')
        assert not target.exists()
        assert temporary.parent == target.parent and temporary.suffix == '.txt'
        temporary.write_text('whole')
    assert target.read_text() == 'whole'
    assert os.listdir(target.parent) == ['file.txt']


def test_error_leaves_old_file(tmp_path):
    target = write_text(tmp_path / 'file.txt', 'old')
    with pytest.raises(RuntimeError, match='stop'), atomic_path(target) as temporary:
        temporary.write_text('new')
        raise RuntimeError('stop')
    assert target.read_text() == 'old'
    assert os.listdir(tmp_path) == ['file.txt']


def test_permissions_follow_umask(tmp_path):
    previous = os.umask(0o027)
    try:
        write_text(tmp_path / 'file.txt', 'x')
    finally:
        os.umask(previous)
    assert (tmp_path / 'file.txt').stat().st_mode & 0o777 == 0o640


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing was written'), atomic_path(tmp_path / 'file.txt'):
        pass
    assert os.listdir(tmp_path) == []


def test_folder_is_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match='is a folder'), atomic_path(tmp_path):
        pass


def test_json(tmp_path):
    path = write_json(tmp_path / 'a.json', {'J': 0.5, 'names': ['ä']})
    assert json.loads(path.read_text(encoding='utf-8')) == {'J': 0.5, 'names': ['ä']}
    with pytest.raises(ValueError):
        write_json(tmp_path / 'b.json', float('nan'))
    assert not (tmp_path / 'b.json').exists()


def test_what_killed_processes_left_is_removed(tmp_path):
    (tmp_path / 'inner').mkdir()
    keep = [tmp_path / 'a.part.txt', tmp_path / '.a.txt', tmp_path / 'inner' / '.b.1234.part.txt']
    left = [tmp_path / '.a.1234.part.txt', tmp_path / '.noend.1234.part']
    for path in (*keep, *left):
        path.touch()
    assert remove_parts(tmp_path, 'b') == [] and remove_parts(tmp_path, 'a') == left[:1]
    assert remove_parts(tmp_path) == left[1:]
    assert all(path.exists() for path in keep) and not any(path.exists() for path in left)
    assert remove_parts(tmp_path / 'nowhere') == []
