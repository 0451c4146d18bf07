"""LAVT and LAVT-Video through the doors of the house."""

import pytest
import torch

from mmlvs.models import LAVT, LAVTVideo
from mmlvs.models.losses.pixel_criteria import IGNORED
from mmlvs.models.segmentors.lavt import foreground, row_target
from mmlvs.models.text_encoders import TextFeatures
from mmlvs.structures import VideoSegDataSample

TEXTS = ['the red circle', 'a blue square', 'the small green triangle on the left']
TINY = dict(embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 2, 2, 4), drop_path_rate=0.0)
TEXT = dict(vocab_size=40, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=20)
RELEASED = dict(type='PixelWordAttention', variant='separable', kernels=dict(temporal=(3, 3, 3)), attended='separable',
                fused='separable')


def build(video=False, text=None, **settings):
    torch.manual_seed(0)
    swin = (dict(type='VideoSwinBackbone', window_size=(2, 4, 4), out_norm=True, **TINY) if video
            else dict(type='SwinBackbone', window_size=4, **TINY))
    fusion = RELEASED if video else dict(type='PixelWordAttention')
    options = dict(
        data_preprocessor=dict(type='ClipDataPreprocessor', codec=dict(pad_divisor=1)),
        backbone=dict(type='LanguageAwareSwin', swin=swin, fusion=fusion), decoder=dict(type='TopDownMaskDecoder'),
        text_encoder=dict(type='BertTextEncoder', config=TEXT, tokenizer=dict(type='WordTokenizer', max_size=40),
                          **(text or {})),
        criterion=dict(type='ClassCrossEntropy'))
    model = (LAVTVideo if video else LAVT)(**{**options, **settings})
    model.init_weights()
    model.text_encoder.build_vocabulary(TEXTS)
    return model


def sample(texts=(0, 1), frames=3, size=(40, 52), key_frames=None, ori_shape=(60, 78)):
    item = VideoSegDataSample(metainfo=dict(
        video_id='v', frame_ids=[str(i) for i in range(frames)], num_frames=frames, key_frames=key_frames,
        clip=dict(index=0, is_first=True, is_last=True), texts=[TEXTS[i] for i in texts],
        expression_ids=[str(i) for i in texts], ori_shape=ori_shape, img_shape=size))
    item.gt_masks = torch.zeros(1, frames, *size, dtype=torch.uint8)
    item.gt_masks[:, :, 10:30, 20:40] = 1
    item.gt_objects = [[0] for _ in texts]
    return item


def batch(model, samples, training=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(s.num_clip_frames, 3, *s.metainfo['img_shape']) for s in samples]
    clips = [torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator) for shape in shapes]
    return model.data_preprocessor(dict(inputs=dict(img=clips), data_samples=samples), training)


@pytest.mark.parametrize('video', [False, True])
def test_clips_of_other_sizes_do_not_matter(video):
    """Padding would enter every norm: a clip in a mixed batch is what it is alone."""
    model = build(video).double().eval()
    items = [sample((0, 1)), sample((2, ), frames=2, size=(36, 44)), sample((1, ))]
    data = batch(model, items)
    data['inputs']['img'].frames = data['inputs']['img'].frames.double()
    with torch.no_grad():
        together = model.row_logits(**data)
        assert [tuple(x.shape) for x in together] == [(3, 2, 40, 52)] * 2 + [(2, 2, 36, 44), (3, 2, 40, 52)]
        clips, rows = data['inputs']['img'], iter(together)
        for clip, item in enumerate(items):
            (height, width), length = clips.sizes[clip], clips.lengths[clip]
            frames = clips.frames[clip:clip + 1, :length, :, :height, :width]
            for text in item.metainfo['texts']:
                alone = model.forward_clip(frames, model.encode_text([text]), torch.tensor([0]))
                torch.testing.assert_close(next(rows), alone[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize('video', [False, True])
def test_key_frames_and_portions(video):
    model = build(video).double().eval()
    data = batch(model, [sample((0, 1, 2))])
    frames = data['inputs']['img'].frames.double()
    text, rows, keys = model.encode_text(TEXTS), torch.zeros(3, dtype=torch.int64), torch.tensor([[2, 0]])
    with torch.no_grad():
        whole = model.forward_clip(frames, text, rows)
        torch.testing.assert_close(model.forward_clip(frames, text, rows, keys), whole[:, [2, 0]])
        model.max_expressions = 2
        torch.testing.assert_close(model.forward_clip(frames, text, rows), whole)
    with pytest.raises(ValueError, match='3 expressions for 2 rows'):
        model.forward_clip(frames, text, rows[:2])


@pytest.mark.parametrize('most', [2, 3, 5])
def test_long_clips_may_be_seen_in_turns(most):
    model = build(True, most_frames=most).double().eval()
    frames = torch.randn(1, 5, 3, 40, 52, dtype=torch.float64)
    text, row = model.encode_text(TEXTS[:1]), torch.tensor([0])
    step = -(-5 // most)
    with torch.no_grad():
        found = model.forward_clip(frames, text, row)
        for start in range(step):
            torch.testing.assert_close(found[:, start::step], model.forward_clip(frames[:, start::step], text, row))
        model.train()
        assert model.forward_clip(frames, text, row).shape == found.shape
    with pytest.raises(ValueError, match='most_frames must be at least 1'):
        build(True, most_frames=0)


@pytest.mark.parametrize(('space', 'size'), [('original', (60, 78)), ('network', (40, 52))])
def test_predictions(space, size):
    model = build(mask_space=space, probabilities=True).eval()
    items = [sample(), sample((2, ), key_frames=[1]), sample(())]
    data = batch(model, items)
    with torch.no_grad():
        found, logits = model.predict(**data), model.row_logits(**data)
    assert [tuple(s.pred_masks.shape[:2]) for s in found] == [(2, 3), (1, 1), (0, 3)]
    assert all(tuple(s.pred_masks.shape[2:]) == size and s.mask_space == space for s in found)
    assert found[1].pred_frames == [1] and found[0].pred_scores.shape == (2, 3)
    masks, probs = foreground(logits[0], size)
    assert torch.equal(found[0].pred_masks[0], masks) and torch.equal(found[0].pred_prob[0], probs)
    assert torch.equal(masks, probs > 0.5) or (masks != (probs > 0.5)).float().mean() < 1e-3


def test_foreground_in_blocks():
    logits = torch.randn(5, 2, 7, 9)
    for whole, parts in zip(foreground(logits, (20, 30), 8), foreground(logits, (20, 30), 2), strict=True):
        assert torch.equal(whole, parts)
    assert foreground(logits[:0], (20, 30))[0].shape == (0, 20, 30)


@pytest.mark.parametrize('video', [False, True])
@pytest.mark.parametrize('items', [
    lambda: [sample(), sample((2, ))], lambda: [sample(key_frames=[1]), sample((2, ), key_frames=[0])],
    lambda: [sample((0, ), frames=1), sample((1, ), frames=1, size=(36, 44))], lambda: [sample(())]])
def test_every_trained_weight_takes_part(video, items):
    model = build(video, text=dict(frozen=['embeddings', 'encoder.layer.2'])).train()
    losses = model.loss(**batch(model, items(), training=True))
    assert all(value.isfinite() for value in losses.values())
    sum(losses.values()).backward()
    for name, parameter in model.named_parameters():
        frozen = name.startswith(('text_encoder.model.embeddings', 'text_encoder.model.encoder.layer.2'))
        assert (parameter.grad is None) is frozen, name


def test_the_loss_is_that_of_all_frames_whatever_their_size():
    model = build().eval()  # batch norms as in testing: rows do not mix
    with torch.no_grad():
        parts = [model.loss(**batch(model, [item], True, seed)) for seed, item in enumerate(
            (sample((0, )), sample((1, ), frames=1, size=(36, 44))))]
        data = batch(model, [sample((0, ))], True, 0)
        other = batch(model, [sample((1, ), frames=1, size=(36, 44))], True, 1)
        clips = data['inputs']['img']
        both = model.data_preprocessor(dict(
            inputs=dict(img=[clips.frames[0] * 1, other['inputs']['img'].frames[0]]),
            data_samples=[*data['data_samples'], *other['data_samples']]), True)
        both['inputs']['img'].frames[0], both['inputs']['img'].frames[1, :1, :, :36, :44] = (
            clips.frames[0], other['inputs']['img'].frames[0])
        got = model.loss(**both)
    torch.testing.assert_close(got['loss_ce'], (3 * parts[0]['loss_ce'] + parts[1]['loss_ce']) / 4)


def test_targets_know_annotated_frames_and_void_pixels():
    item = sample(key_frames=[0, 2])
    item.gt_annotated = torch.tensor([True, False, False])
    item.gt_ignore = torch.zeros(3, 40, 52, dtype=torch.bool)
    item.gt_ignore[0, :5] = True
    frames, target = row_target(item, 0, (40, 52))
    assert frames == [0] and target.shape == (1, 40, 52)
    assert (target[0, :5] == IGNORED).all() and target[0, 15, 25] == 1 and target[0, 35, 5] == 0
    with pytest.raises(ValueError, match='training needs both at the same size'):
        row_target(item, 0, (80, 104))


def test_decoding_all_frames_differs_in_statistics_only():
    models = [build(True, decode_all=flag).train() for flag in (False, True)]
    losses = [float(model.loss(**batch(model, [sample(key_frames=[1])], True))['loss_ce'].detach()) for model in models]
    assert abs(losses[0] - losses[1]) > 1e-6
    data = [batch(model.eval(), [sample(key_frames=[1])]) for model in models]
    with torch.no_grad():
        first, second = (model.row_logits(**rows)[0] for model, rows in zip(models, data, strict=True))
    assert first.shape == second.shape == (1, 2, 40, 52)


def test_text_encoder_of_its_own_keeps_dropout_off():
    for stays, training in ((True, False), (False, True)):
        model = build(text=dict(stays_in_eval=stays)).train()
        assert all(part.training is training for part in model.text_encoder.model.modules())
        assert model.decoder.training


def test_a_step_teaches():
    model = build(criterion=dict(type='ClassDice')).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss = sum(model.loss(**batch(model, [sample((0, ))], True)).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_methods_that_it_was_compared_with():
    swin = dict(type='SwinBackbone', window_size=4, **TINY)
    frames = torch.randn(1, 2, 3, 64, 64)
    for decoder in (dict(type='LTSDecoder'), dict(type='VLTDecoder', grid=4, channels=16, num_queries=3, num_heads=2)):
        for backbone in (swin, dict(type='LanguageAwareSwin', swin=swin, fusion=dict(type='PixelWordAttention'))):
            model = build(backbone=backbone, decoder=decoder).eval()
            with torch.no_grad():
                logits = model.forward_clip(frames, model.encode_text(TEXTS), torch.zeros(3, dtype=torch.int64))
            assert logits.shape == (3, 2, 2, 64, 64) and (logits[0] - logits[2]).abs().max() > 1e-6
    with pytest.raises(ValueError, match='built for images of 64 x 64'):
        model.forward_clip(frames[..., :48], TextFeatures(torch.zeros(1, 2, 16), torch.zeros(1, 16),
                                                          torch.ones(1, 2).bool()), torch.tensor([0]))


def test_portions_are_for_testing():
    """Batch norms of the decoder see all rows of a step in training, whatever ``max_expressions`` says."""
    losses = []
    for bound in (None, 1):
        model = build(max_expressions=bound).train()
        data = batch(model, [sample(), sample((2, ))], training=True)
        losses.append(float(sum(model.loss(**data).values())))
    assert losses[0] == losses[1]


def test_backbones_that_see_clips_have_a_model_of_their_own():
    video = dict(type='VideoSwinBackbone', window_size=(2, 4, 4), out_norm=True, **TINY)
    with pytest.raises(ValueError, match='take LAVTVideo'):
        build(backbone=dict(type='LanguageAwareSwin', swin=video, fusion=RELEASED))
    with pytest.raises(ValueError, match='fuse_clip=False'):
        build(video=True, backbone=dict(type='LanguageAwareSwin', swin=video, fusion=RELEASED, fuse_clip=False))


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="mask_space 'here'"):
        build(mask_space='here')
    with pytest.raises(ValueError, match='max_expressions'):
        build(max_expressions=0)
    image = dict(type='LanguageAwareSwin', swin=dict(type='SwinBackbone', **TINY), fusion=dict(type='SentenceProduct'))
    with pytest.raises(ValueError, match='for frames alone take LAVT'):
        build(True, backbone=image)
    with pytest.raises(RuntimeError, match='without a criterion'):
        model = build(criterion=None)
        model.loss(**batch(model, [sample()], True))
