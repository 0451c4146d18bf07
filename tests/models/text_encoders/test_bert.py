"""BERT as text encoder."""

import pytest
import torch

from mmlvs.io.checkpoint import CheckpointError
from mmlvs.models.text_encoders.bert import BERT_BASE
from mmlvs.registry import MODELS

SMALL = dict(num_hidden_layers=2, hidden_size=16, num_attention_heads=2, intermediate_size=32, vocab_size=40,
             max_position_embeddings=14)
TEXTS = ['the dog on the left', 'the cat', 'a red car']


def make(**settings):
    torch.manual_seed(0)
    encoder = MODELS.build({'type': 'BertTextEncoder', 'config': SMALL,
                            'tokenizer': dict(type='WordTokenizer', max_size=40), **settings})
    encoder.init_weights()
    encoder.build_vocabulary(TEXTS)
    return encoder


def test_words_do_not_depend_on_padding_and_positions_start_at_0():
    encoder = make().eval()
    with torch.no_grad():
        features, alone = encoder(TEXTS), encoder(TEXTS[1:2])
    assert features.words.shape == (3, 7, 16) and encoder.max_tokens == 14
    torch.testing.assert_close(features.words[1, :4], alone.words[0])
    torch.testing.assert_close(features.sentence[1], features.words[1, :4].mean(0))
    with torch.no_grad():
        full = encoder(['the ' * 11 + 'cat'])  # 12 words and two special tokens
    assert full.words.shape[1] == 14
    with pytest.raises(ValueError, match='has 15 tokens, the encoder takes 14'):
        encoder(['the ' * 12 + 'cat'])


def test_frozen_parts():
    encoder = make(frozen=['embeddings', 'encoder.layer.1'])
    trained = {name.split('.')[3] for name, p in encoder.named_parameters() if p.requires_grad}
    assert trained == {'0'} and not encoder.frozen
    with pytest.raises(ValueError, match="frozen part 'encoder.layer.7' does not exist"):
        make(frozen=['encoder.layer.7'])


def test_eval_mode_while_training():
    assert not any(part.training for part in make(stays_in_eval=True).train().model.modules())
    assert make().train().model.training


@pytest.mark.parametrize('prefix', ['', 'bert.'])
@pytest.mark.parametrize('sentence', ['mean', 'pooler'])
def test_pretrained_weights(tmp_path, prefix, sentence):
    source = make(sentence='pooler')
    torch.nn.init.normal_(source.model.pooler.dense.weight)
    state = {prefix + name: value for name, value in source.model.state_dict().items()}
    state = {name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'): value
             for name, value in state.items()}
    state |= {'cls.predictions.bias': torch.zeros(40), f'{prefix}embeddings.position_ids': torch.arange(14)[None]}
    torch.save(state, tmp_path / 'pytorch_model.bin')
    encoder = make(pretrained=str(tmp_path), sentence=sentence)
    for name, value in encoder.model.state_dict().items():
        assert torch.equal(value, source.model.state_dict()[name])
    with pytest.raises(CheckpointError, match='encoder.layer.1'):
        make(pretrained=str(tmp_path), config=dict(SMALL, num_hidden_layers=1))


def test_numbers():
    assert BERT_BASE['layer_norm_eps'] == 1e-12
    with pytest.raises(KeyError, match="did you mean 'num_hidden_layers'"):
        make(config=dict(num_hiden_layers=2))
