"""Words of the training set on their way to the text encoder."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmlvs.engine.hooks import VocabularyHook
from mmlvs.registry import MODELS


class Log(list):
    def info(self, line):
        self.append(('info', line))

    def warning(self, line):
        self.append(('warning', line))


def runner_of(model, texts):
    dataset = SimpleNamespace(texts=lambda: texts) if texts is not None else SimpleNamespace()
    return SimpleNamespace(model=model, train_dataloader=SimpleNamespace(dataset=dataset), logger=Log())


def network(**settings):
    encoder = MODELS.build(dict(
        type='BertTextEncoder', tokenizer=dict(type='WordTokenizer', max_size=8), config=dict(
            vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
            max_position_embeddings=8), **settings))
    return nn.ModuleDict(dict(text_encoder=encoder))


def test_a_first_training_builds_and_a_second_one_extends():
    model, hook = network(), VocabularyHook()
    first = runner_of(model, ['red box'])
    hook.before_train(first)
    tokenizer = model.text_encoder.tokenizer
    assert tokenizer.vocabulary == ['box', 'red'] and 'built the vocabulary' in first.logger[0][1]
    rows = model.text_encoder.model.get_input_embeddings().weight.clone()
    again = runner_of(model, ['red box'])
    hook.before_train(again)
    assert not again.logger and tokenizer.vocabulary == ['box', 'red']
    second = runner_of(model, ['a blue blue box', 'a cat'])
    hook.before_train(second)
    assert tokenizer.vocabulary == ['box', 'red', 'a', 'blue']
    assert second.logger[0] == ('info', 'text_encoder learns 2 further words: a, blue')
    assert second.logger[1][0] == 'warning' and 'no room for 1 words' in second.logger[1][1]
    assert torch.equal(model.text_encoder.model.get_input_embeddings().weight, rows)


def test_words_that_cannot_be_learnt_are_not_taken():
    model = network(frozen=['embeddings'])
    VocabularyHook().before_train(runner_of(model, ['red box']))
    VocabularyHook().before_train(runner_of(model, ['blue box']))
    assert model.text_encoder.tokenizer.vocabulary == ['box', 'red']


def test_a_training_set_without_texts_is_an_error_where_one_is_needed():
    model = network()
    with pytest.raises(RuntimeError, match=r'has no texts\(\)'):
        VocabularyHook().before_train(runner_of(model, None))
    model.text_encoder.build_vocabulary(['red'])
    VocabularyHook().before_train(runner_of(model, None))
