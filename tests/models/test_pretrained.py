"""Weights named by ``init_cfg``: of a part, and of a whole network."""

import math

import pytest
import torch
from torch import nn

from mmlvs.io.checkpoint import CheckpointError
from mmlvs.io.conversion import Keep, Rule, WeightFormat
from mmlvs.models.pretrained import check_init_cfg, load_pretrained
from mmlvs.registry import MODELS, WEIGHT_INITIALIZERS

FORM = WeightFormat(name='small', about='a small one', part='backbone', rules=(Rule('(weight|bias)', r'\1'), ))


class Dangerous:
    ran = False

    def __reduce__(self):
        return (setattr, (Dangerous, 'ran', True))


def test_only_a_checkpoint_may_be_named():
    assert check_init_cfg(None) is None
    good = {'type': 'Pretrained', 'checkpoint': 'a.pth'}
    assert check_init_cfg(good) == good
    but = {'type': 'PretrainedExcept', 'checkpoint': 'a.pth', 'skip': ['a.*']}
    assert check_init_cfg(but) == but
    more = {**but, 'rename': {'b': 'a'}}
    assert check_init_cfg(more) == more
    for bad in ({'type': 'Kaiming', 'layer': 'Conv2d'}, {'type': 'Pretrained'}, {**good, 'prefix': 'backbone.'},
                {**good, 'skip': ['a.*']}, {**good, 'rename': {}}, {**but, 'skip': 'a.*'}, {'checkpoint': 'a.pth'}):
        with pytest.raises(ValueError, match='init_cfg must be'):
            check_init_cfg(bad)


def test_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match='Linear needs it.*init_cfg=None'):
        load_pretrained(nn.Linear(2, 2), {'checkpoint': tmp_path / 'none.pth'}, FORM)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch.save({'weight': Dangerous()}, tmp_path / 'bad.pth')
    with pytest.raises(CheckpointError):
        load_pretrained(nn.Linear(2, 2), {'checkpoint': tmp_path / 'bad.pth'}, FORM)
    assert not Dangerous.ran


def test_what_was_taken_dropped_and_kept_is_told(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr('mmlvs.models.pretrained.print_log', lambda text, **_: told.append(text))
    form = WeightFormat(name='small', about='a small one', part='backbone', prefixes=('net.', ),
                        rules=FORM.rules, keep=(Keep('bias', 'the file has none', zeros=True), ))
    torch.save({'net.weight': torch.ones(2, 2), 'head': torch.ones(1)}, tmp_path / 'part.pth')
    layer = nn.Linear(2, 2)
    bias = layer.bias.clone()
    loaded = load_pretrained(layer, {'checkpoint': tmp_path / 'part.pth'}, form)
    assert loaded.kept == {'bias': 'the file has none'} and list(loaded.dropped) == ['head']
    assert torch.equal(layer.weight, torch.ones(2, 2)) and torch.equal(layer.bias, bias)
    text, = told
    assert 'Linear starts from' in text and 'part.pth: 1 tensors converted, 1 dropped, 1 kept' in text
    assert "dropped 1: not under 'net.'" in text and 'kept 1: the file has none' in text


def test_misfits_are_refused(tmp_path):
    torch.save({'weight': torch.ones(2, 2), 'extra': torch.ones(1)}, tmp_path / 'more.pth')
    with pytest.raises(CheckpointError, match=r'(?s)more.pth does not fit Linear: .*no rule for .extra. \(1,\)'):
        load_pretrained(nn.Linear(2, 2, bias=False), {'checkpoint': tmp_path / 'more.pth'}, FORM)
    torch.save({'weight': torch.ones(2, 2)}, tmp_path / 'less.pth')
    with pytest.raises(CheckpointError, match=r'missing: bias \(2,\)'):
        load_pretrained(nn.Linear(2, 2), {'checkpoint': tmp_path / 'less.pth'}, FORM)


# ------------------------------------------------------------ a network that starts from one of an earlier stage


def network(init_cfg=None, classes=1):
    return MODELS.build(dict(
        type='ReferFormer', init_cfg=init_cfg, num_queries=2, num_classes=classes, fusion_heads=2,
        backbone=dict(type='ResNetBackbone', depths=(1, 1, 1, 1), base_width=8,
                      init_cfg=dict(type='Pretrained', checkpoint='not/read.pth')),
        text_encoder=dict(
            type='RobertaTextEncoder', tokenizer=dict(type='WordTokenizer', max_size=30), frozen=True,
            pretrained='not/read/either',
            config=dict(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
                        max_position_embeddings=20)),
        transformer=dict(type='DeformableTransformer', channels=32, num_heads=2, encoder_layers=1, decoder_layers=2,
                         feedforward_channels=32),
        pixel_decoder=dict(type='CrossModalFPN', mask_channels=8, num_heads=2, feedforward_channels=32),
        mask_head=dict(type='DynamicMaskHead')))


def start_from(path, *skip):
    if not skip:
        return dict(type='Pretrained', checkpoint=str(path))
    return dict(type='PretrainedExcept', checkpoint=str(path), skip=list(skip))


def test_fine_tuning_takes_everything_but_the_class_heads(tmp_path):
    torch.manual_seed(0)
    earlier = network(classes=65)  # whatever the classes of the earlier stage were
    earlier.text_encoder.build_vocabulary(['a red box', 'the cat'])
    torch.save({'state_dict': earlier.state_dict(), 'meta': {'epoch': 12}}, tmp_path / 'epoch_12.pth')
    model = network(start_from(tmp_path / 'epoch_12.pth', r'class_heads\..*'))
    model.init_weights()
    expected = earlier.state_dict()
    for name, value in model.state_dict().items():
        if not name.startswith('class_heads'):
            assert torch.equal(value, expected[name]), name
    assert model.text_encoder.tokenizer.vocabulary == earlier.text_encoder.tokenizer.vocabulary
    for head in model.class_heads:
        assert head.weight.shape == (1, 32) and head.bias.item() == pytest.approx(-math.log(99))
        assert not torch.equal(head.weight, earlier.class_heads[0].weight[:1])


def test_the_rule_is_an_initialiser_like_others(tmp_path):
    torch.save({'weight': torch.ones(2, 2), 'bias': torch.ones(7)}, tmp_path / 'layer.pth')
    layer = nn.Linear(2, 2)
    bias = layer.bias.clone()
    WEIGHT_INITIALIZERS.build(start_from(tmp_path / 'layer.pth', 'bias'))(layer)
    assert torch.equal(layer.weight, torch.ones(2, 2)) and torch.equal(layer.bias, bias)
    with pytest.raises(TypeError, match='list of regular expressions'):
        WEIGHT_INITIALIZERS.build(dict(type='PretrainedExcept', checkpoint='a.pth', skip='bias'))


def test_a_part_may_start_as_another_one(tmp_path):
    torch.save({'0.weight': torch.ones(2, 2), '0.bias': torch.ones(2)}, tmp_path / 'layer.pth')
    layers = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    start = dict(type='PretrainedExcept', checkpoint=str(tmp_path / 'layer.pth'), skip=[r'0\..*'])
    first = layers[0].weight.clone()
    WEIGHT_INITIALIZERS.build(dict(start, rename={r'0\.(.*)': r'1.\1'}))(layers)
    assert torch.equal(layers[1].weight, torch.ones(2, 2)) and torch.equal(layers[0].weight, first)
    with pytest.raises(CheckpointError, match="rename '2.*' matches no tensor of the file"):
        WEIGHT_INITIALIZERS.build(dict(start, rename={'2.*': '1'}))(layers)


def test_a_stage_that_does_not_fit_is_refused(tmp_path):
    torch.save(network(classes=65).state_dict(), tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match=r'shape of class_heads.0.weight: expected \(1, 32\), found \(65, 32\)'):
        network(start_from(tmp_path / 'other.pth')).init_weights()
    with pytest.raises(CheckpointError, match="skip 'class_head' matches no tensor"):
        network(start_from(tmp_path / 'other.pth', r'class_heads\..*', 'class_head')).init_weights()
    with pytest.raises(FileNotFoundError, match='not/read.pth does not exist'):
        network().init_weights()  # without init_cfg of the whole, parts read their own files
