import pytest

from mmlvs.evaluation.writers.checks import file_name


@pytest.mark.parametrize('name', ['', '.', '..', '../up', 'a/b', 'a\\b', 'a\0b'])
def test_names_stay_in_their_folder(name):
    with pytest.raises(ValueError, match='video .* cannot be a file name'):
        file_name('video', name)


@pytest.mark.parametrize('name', ['00000', 'dogs-jump', '..a', 'two words', 7])
def test_ordinary_names_pass(name):
    assert file_name('frame', name) == str(name)
