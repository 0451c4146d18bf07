"""RoBERTa as text encoder."""

import json

import pytest
import torch

from mmlvs.io.checkpoint import CheckpointError
from mmlvs.models.text_encoders import RobertaTextEncoder, TextFeatures
from mmlvs.models.text_encoders.roberta import ROBERTA_BASE, roberta_numbers
from mmlvs.registry import MODELS

SMALL = {'num_hidden_layers': 2, 'hidden_size': 16, 'num_attention_heads': 2, 'intermediate_size': 32, 'vocab_size': 40,
         'max_position_embeddings': 14}
TEXTS = ['the dog on the left', 'the cat', 'a red car']


def make(**settings):
    torch.manual_seed(0)
    encoder = MODELS.build({'type': 'RobertaTextEncoder', 'config': SMALL,
                            'tokenizer': {'type': 'WordTokenizer', 'max_size': 40}, **settings})
    encoder.init_weights()
    encoder.build_vocabulary(TEXTS)
    return encoder


def test_features_of_expressions():
    encoder = make().eval()
    with torch.no_grad():
        features = encoder(TEXTS)
    assert features.words.shape == (3, 7, 16) and features.sentence.shape == (3, 16) and len(features) == 3
    assert features.mask.sum(1).tolist() == [7, 4, 5] and torch.equal(features.padding, ~features.mask)
    assert [TEXTS[1][a:b] for a, b in features.offsets[1].tolist()] == ['', 'the', 'cat', '', '', '', '']
    pooler = encoder.model.pooler.dense
    want = (features.words[:, 0] @ pooler.weight.T + pooler.bias).tanh()
    torch.testing.assert_close(features.sentence, want)
    part = features[1:]
    assert isinstance(part, TextFeatures) and part.words.shape[0] == 2 and len(part.offsets) == 2


def test_sentence_as_the_mean_of_its_tokens():
    encoder = make(sentence='mean').eval()
    with torch.no_grad():
        features = encoder(TEXTS)
    torch.testing.assert_close(features.sentence[1], features.words[1, :4].mean(dim=0))
    assert not any('pooler' in name for name, _ in encoder.named_parameters())
    with pytest.raises(ValueError, match='pooler'):
        make(sentence='first')


def test_untrained_sentences_differ_with_the_mean_and_hardly_with_the_pooler():
    """Why the small configs take the mean: <s> of an untrained encoder hardly sees the other words."""
    def spread(kind):
        with torch.no_grad():
            sentence = make(sentence=kind).eval()(TEXTS).sentence
        return float((sentence - sentence.mean(dim=0)).norm() / sentence.norm())

    assert spread('mean') > 0.2 and spread('pooler') < 0.1


def test_padding_does_not_change_the_tokens():
    encoder = make().double().eval()
    with torch.no_grad():
        together, alone = encoder(TEXTS), encoder(TEXTS[1:2])
    torch.testing.assert_close(together.words[1, :4], alone.words[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(together.sentence[1], alone.sentence[0], rtol=0, atol=1e-12)


def test_frozen_encoder_has_no_gradient_and_a_trained_one_has():
    for frozen in (True, False):
        encoder = make(frozen=frozen).train()
        features = encoder(TEXTS)
        assert features.words.requires_grad is (not frozen)
        assert any(p.requires_grad for p in encoder.parameters()) is (not frozen)


@pytest.mark.parametrize('active', [True, False])
def test_dropout_of_a_frozen_encoder_in_training(active):
    encoder = make(frozen=True, train_mode_when_frozen=active).train()
    assert encoder.training and encoder.model.training is active
    assert torch.equal(encoder(TEXTS).words, encoder(TEXTS).words) is (not active)


def count_rows(encoder):
    rows = []
    encoder.model.register_forward_pre_hook(
        lambda module, args, kwargs: rows.append(len(kwargs['input_ids'])), with_kwargs=True)
    return rows


def test_cache_runs_only_new_rows_and_changes_nothing():
    encoder, plain = make(frozen=True, cache_size=3).eval(), make(frozen=True, cache_size=0).eval()
    rows = count_rows(encoder)
    with torch.no_grad():
        for texts in (TEXTS, TEXTS, [TEXTS[0], 'a red cat left'], [TEXTS[0], TEXTS[0]]):
            got, want = encoder(texts), plain(texts)
            torch.testing.assert_close(got.words, want.words, rtol=0, atol=1e-6)
            torch.testing.assert_close(got.sentence, want.sentence, rtol=0, atol=1e-6)
    assert rows == [3, 1]
    assert len(encoder._cache) == 3  # bounded


def test_cache_is_larger_than_a_batch_only_if_asked():
    encoder = make(frozen=True, cache_size=1).eval()
    with torch.no_grad():
        assert encoder(TEXTS).words.shape[0] == 3
    assert len(encoder._cache) == 1


def test_cache_is_used_only_when_nothing_can_change():
    trained, frozen = make(frozen=False).eval(), make(frozen=True)
    with torch.no_grad():
        trained(TEXTS)
        frozen.train()(TEXTS)
    frozen.eval()(TEXTS)  # with gradient mode on
    assert not trained._cache and not frozen._cache


@pytest.mark.parametrize('change', ['load', 'double', 'init'])
def test_cache_is_dropped_with_the_weights(change):
    encoder = make(frozen=True).eval()
    with torch.no_grad():
        before = encoder(TEXTS).sentence
        torch.manual_seed(5)
        if change == 'load':
            state = {k: v + 0.1 if v.is_floating_point() else v for k, v in encoder.state_dict().items()}
            torch.nn.ModuleDict({'text_encoder': encoder}).load_state_dict(
                {f'text_encoder.{k}': v for k, v in state.items()})
        elif change == 'double':
            torch.nn.ModuleList([encoder]).double()
        else:
            encoder.init_weights()
        after = encoder(TEXTS).sentence
    assert after.dtype != before.dtype if change == 'double' else not torch.allclose(before, after)


def test_checkpoint_is_complete(tmp_path):
    encoder = make().eval()
    torch.save(encoder.state_dict(), tmp_path / 'state.pth')
    other = RobertaTextEncoder(config=SMALL, tokenizer={'type': 'WordTokenizer', 'max_size': 40}).eval()
    other.load_state_dict(torch.load(tmp_path / 'state.pth', weights_only=True), strict=True)
    with torch.no_grad():
        assert torch.equal(other(TEXTS).words, encoder(TEXTS).words)


def test_built_on_meta_then_initialised_and_run():
    with torch.device('meta'):
        encoder = RobertaTextEncoder(config=SMALL, tokenizer={'type': 'WordTokenizer', 'max_size': 40})
    encoder.to_empty(device='cpu')
    encoder.init_weights()
    encoder.build_vocabulary(TEXTS)
    torch.manual_seed(0)
    assert torch.isfinite(encoder.eval()(TEXTS).words).all()
    embedding = encoder.model.embeddings.word_embeddings.weight
    assert not embedding[1].any() and 0.015 < embedding.std() < 0.025


def test_roberta_base_by_default():
    with torch.device('meta'):
        encoder = RobertaTextEncoder(tokenizer={'type': 'PretrainedTokenizer', 'path': 'not/there'})
    assert sum(p.numel() for p in encoder.parameters()) == 124_645_632
    assert encoder.out_channels == 768 and encoder.max_tokens == 512
    encoder.build_vocabulary(TEXTS)  # a pretrained tokenizer needs none


def save_pretrained(encoder, folder, pooler=True):
    state = {f'roberta.{k}': v for k, v in encoder.model.state_dict().items() if pooler or 'pooler' not in k}
    state |= {'lm_head.bias': torch.zeros(3), 'roberta.embeddings.position_ids': torch.arange(14)[None]}
    torch.save(state, folder / 'pytorch_model.bin')


def test_pretrained_weights(tmp_path):
    source = make()
    save_pretrained(source, tmp_path)
    encoder = make(pretrained=str(tmp_path))
    for name, value in source.model.state_dict().items():
        assert torch.equal(encoder.model.state_dict()[name], value), name


def test_pretrained_weights_as_safetensors(tmp_path):
    from safetensors.torch import save_file

    source = make()
    save_file(dict(source.model.state_dict()), str(tmp_path / 'model.safetensors'))
    encoder = make(pretrained=str(tmp_path))
    assert torch.equal(encoder.model.pooler.dense.weight, source.model.pooler.dense.weight)


@pytest.mark.parametrize('pooler', [True, False])
def test_missing_pooler_is_told(tmp_path, monkeypatch, pooler):
    told = []
    monkeypatch.setattr('mmlvs.models.text_encoders.pretrained_encoder.print_log', lambda text, **_: told.append(text))
    save_pretrained(make(), tmp_path, pooler=pooler)
    make(pretrained=str(tmp_path), frozen=True)
    assert [('no pooler' in text and 'stays so' in text) for text in told] == ([] if pooler else [True])


def test_pretrained_weights_that_do_not_fit(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'model\.safetensors or pytorch_model\.bin'):
        make(pretrained=str(tmp_path))
    save_pretrained(make(), tmp_path)
    with pytest.raises(CheckpointError, match='model.encoder.layer.1.'):
        make(pretrained=str(tmp_path), config={**SMALL, 'num_hidden_layers': 1})


def test_numbers(tmp_path):
    assert roberta_numbers(None) == ROBERTA_BASE
    assert roberta_numbers({'hidden_size': 48})['hidden_size'] == 48
    with pytest.raises(KeyError, match='num_hidden_layers'):
        roberta_numbers({'num_hiden_layers': 2})
    (tmp_path / 'config.json').write_text(json.dumps({'hidden_size': 32, 'model_type': 'roberta', 'architectures': []}))
    for path in (tmp_path, tmp_path / 'config.json'):
        assert roberta_numbers(str(path)) == {**ROBERTA_BASE, 'hidden_size': 32}
    with pytest.raises(FileNotFoundError, match='expected a config.json'):
        roberta_numbers(str(tmp_path / 'none'))


def test_tokenizer_and_encoder_must_belong_together():
    with pytest.raises(ValueError, match='41 ids, but the encoder has 40'):
        make(tokenizer={'type': 'WordTokenizer', 'max_size': 41})


def test_too_long_and_empty_expressions_are_named():
    encoder = make()
    with pytest.raises(ValueError, match='expression 1 has 14 tokens, the encoder takes 12'):
        encoder(['the dog', 'the dog ' * 6])
    with pytest.raises(ValueError, match='expression 1 of 2 is empty'):
        encoder(['the dog', ''])
