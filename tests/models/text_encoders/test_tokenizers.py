"""Expressions to ids."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.text_encoders import PretrainedTokenizer, WordTokenizer

TEXTS = ['the dog on the left', 'The cat, running', 'the dog']


@pytest.fixture
def words():
    tokenizer = WordTokenizer(max_size=50)
    tokenizer.build_vocabulary(TEXTS)
    return tokenizer


@pytest.fixture
def folder(tmp_path):
    """A byte-level BPE tokenizer with RoBERTa's special tokens, trained here."""
    from tokenizers import ByteLevelBPETokenizer

    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(TEXTS * 3, vocab_size=300, min_frequency=1,
                                special_tokens=['<s>', '<pad>', '</s>', '<unk>', '<mask>'])
    trainer.save_model(str(tmp_path))
    (tmp_path / 'config.json').write_text(json.dumps({'model_type': 'roberta'}))
    return tmp_path


def test_words_by_frequency_then_alphabet(words):
    assert words.vocabulary == ['the', 'dog', ',', 'cat', 'left', 'on', 'running']
    tokens = words(['A dog, the DOG', 'left'])
    assert tokens.ids.tolist() == [[0, 3, 5, 6, 4, 5, 2], [0, 8, 2, 1, 1, 1, 1]]
    assert tokens.mask.tolist() == [[True] * 7, [True] * 3 + [False] * 4]


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=1, max_size=30).filter(lambda t: t.strip()))
def test_offsets_point_into_the_text_as_given(text):
    tokenizer = WordTokenizer(max_size=50)
    tokenizer.build_vocabulary(TEXTS)
    tokens = tokenizer([text])
    spans = tokens.offsets[0].tolist()
    assert spans[0] == spans[-1] == [0, 0] and len(spans) == tokens.ids.shape[1]
    assert ''.join(text[a:b] for a, b in spans) == ''.join(c for c in text if not c.isspace())
    for (a, b), index in zip(spans[1:-1], tokens.ids[0, 1:-1].tolist(), strict=True):
        if index >= 4:
            assert text[a:b].lower() == tokenizer.vocabulary[index - 4]


def test_case_can_be_kept():
    tokenizer = WordTokenizer(max_size=50, lowercase=False)
    tokenizer.build_vocabulary(TEXTS)
    assert {'the', 'The'} <= set(tokenizer.vocabulary)


def test_size_is_bounded():
    tokenizer = WordTokenizer(max_size=6)
    tokenizer.build_vocabulary(TEXTS)
    assert tokenizer.vocabulary == ['the', 'dog'] and tokenizer(['left cat']).ids.tolist() == [[0, 3, 3, 2]]


def test_length_is_bounded(words):
    words.max_length = 4
    assert words(['the dog on the left']).ids.tolist() == [[0, 4, 5, 2]]


def test_vocabulary_travels_in_the_state_dict(words, tmp_path):
    torch.save(words.state_dict(), tmp_path / 'state.pth')
    state = torch.load(tmp_path / 'state.pth', weights_only=True)
    assert [(k, v.dtype) for k, v in state.items()] == [('_extra_state', torch.uint8)]
    other = WordTokenizer(max_size=50)
    other.build_vocabulary(['something else'])
    other.load_state_dict(state, strict=True)
    assert other.vocabulary == words.vocabulary
    assert torch.equal(other(['the cat']).ids, words(['the cat']).ids)


def test_an_empty_state_leaves_the_vocabulary(words):
    words.load_state_dict(WordTokenizer(max_size=9).state_dict(), strict=True)
    assert 'dog' in words.vocabulary


def test_a_vocabulary_that_does_not_fit_is_refused(words):
    with pytest.raises(ValueError, match='lowercase=True'):
        WordTokenizer(max_size=50, lowercase=False).load_state_dict(words.state_dict())
    with pytest.raises(ValueError, match='max_size=6'):
        WordTokenizer(max_size=6).load_state_dict(words.state_dict())


def test_need_of_a_vocabulary_ends_when_it_is_built_or_loaded(words):
    other = WordTokenizer(max_size=50)
    assert other.needs_vocabulary and not words.needs_vocabulary
    other.load_state_dict(words.state_dict())
    assert not other.needs_vocabulary and not PretrainedTokenizer(path='').needs_vocabulary


def test_further_words_come_behind_the_known_ones():
    tokenizer = WordTokenizer(max_size=8)
    with pytest.raises(RuntimeError, match='no vocabulary to extend'):
        tokenizer.extend_vocabulary(['red'])
    tokenizer.build_vocabulary(['red box', 'red'])
    assert tokenizer.extend_vocabulary(['box', 'blue blue cat', 'ant']) == (['blue', 'ant'], ['cat'])
    assert tokenizer.vocabulary == ['red', 'box', 'blue', 'ant']
    assert tokenizer.extend_vocabulary(['ant', 'red']) == ([], [])


def test_use_without_vocabulary_and_a_second_one_are_errors(words):
    with pytest.raises(RuntimeError, match='no vocabulary: call build_vocabulary'):
        WordTokenizer(max_size=9)(['a dog'])
    words.build_vocabulary(TEXTS)  # the same again
    with pytest.raises(RuntimeError, match='already'):
        words.build_vocabulary(['a zebra'])
    with pytest.raises(ValueError, match='found none'):
        WordTokenizer(max_size=9).build_vocabulary([' '])


@pytest.mark.parametrize(('texts', 'error', 'message'), [
    (['a dog', '  '], ValueError, 'expression 1 of 2 is empty'),
    ([], ValueError, 'at least one'),
    ('a dog', TypeError, 'single string'),
    ([3], TypeError, 'of type int'),
])
def test_what_cannot_be_encoded(words, folder, texts, error, message):
    for tokenizer in (words, PretrainedTokenizer(path=str(folder))):
        with pytest.raises(error, match=message):
            tokenizer(texts)


def test_pretrained_tokenizer_pads_to_the_longest(folder):
    tokenizer = PretrainedTokenizer(path=str(folder))
    tokens = tokenizer(['the dog on the left', 'the cat'])
    assert tokens.ids[:, 0].tolist() == [0, 0] and tokens.ids.shape == tokens.mask.shape
    length = int(tokens.mask[1].sum())
    assert length < tokens.ids.shape[1]
    assert tokens.ids[1, length - 1] == 2 and (tokens.ids[1, length:] == 1).all()
    text = 'the dog on the left'
    spans = [text[a:b] for a, b in tokens.offsets[0].tolist()]
    assert ''.join(spans).replace(' ', '') == text.replace(' ', '')
    assert PretrainedTokenizer(path=str(folder), max_length=3)([text]).ids.shape == (1, 3)


def test_case_is_kept_by_the_pretrained_tokenizer(folder):
    tokenizer = PretrainedTokenizer(path=str(folder))
    assert tokenizer(['the']).ids.tolist() != tokenizer(['The']).ids.tolist()


def test_unreachable_folder_says_what_is_needed(tmp_path):
    tokenizer = PretrainedTokenizer(path=str(tmp_path / 'none'))  # building is fine
    with pytest.raises(FileNotFoundError, match='does not exist.*tokenizer.json.*WordTokenizer'):
        tokenizer(['a dog'])
    (tmp_path / 'readme.txt').write_text('nothing here')
    with pytest.raises(FileNotFoundError, match='readme.txt'):
        PretrainedTokenizer(path=str(tmp_path))(['a dog'])
