import math

import pytest
import torch

from mmlvs.models import ReferFormer
from mmlvs.models.text_encoders import TextFeatures
from mmlvs.structures import VideoSegDataSample

TEXTS = ['the red circle', 'a blue square', 'the small green triangle on the left']
SIZES = [(64, 96), (50, 70), (64, 60)]


def build(**settings):
    torch.manual_seed(0)
    options = dict(
        backbone=dict(type='ResNetBackbone', depths=(1, 1, 1, 1), base_width=4, frozen_stages=-1),
        text_encoder=dict(
            type='RobertaTextEncoder', tokenizer=dict(type='WordTokenizer', max_size=40),
            config=dict(vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                        max_position_embeddings=30)),
        transformer=dict(type='DeformableTransformer', channels=32, num_heads=4, encoder_layers=1, decoder_layers=2,
                         feedforward_channels=32, encoder_points=2, decoder_points=2),
        pixel_decoder=dict(type='CrossModalFPN', mask_channels=8, num_heads=4, feedforward_channels=32),
        mask_head=dict(type='DynamicMaskHead', hidden_channels=4),
        criterion=dict(type='ReferFormerCriterion', matcher=dict(type='ClipMatcher')), fusion_heads=4)
    model = ReferFormer(**{**options, **settings})
    model.text_encoder.build_vocabulary(TEXTS)
    return model


def sample(texts=(0, ), frames=3, size=(64, 96), key_frames=None, clip=None, ori_shape=(100, 150)):
    meta = dict(video_id='v', frame_ids=[str(i) for i in range(frames)], num_frames=frames, key_frames=key_frames,
                clip=clip or dict(index=0, is_first=True, is_last=True), texts=[TEXTS[i] for i in texts],
                expression_ids=[str(i) for i in texts], ori_shape=ori_shape, img_shape=size)
    item = VideoSegDataSample(metainfo=meta)
    item.gt_masks = torch.zeros(1, frames, *size, dtype=torch.uint8)
    item.gt_masks[:, :, 10:40, 20:50] = 1
    item.gt_boxes = torch.tensor([20.0, 10, 50, 40]).expand(1, frames, 4)
    item.gt_valid = torch.ones(1, frames, dtype=torch.bool)
    item.gt_objects = [[0] for _ in texts]
    return item


def batch(model, samples, training):
    generator = torch.Generator().manual_seed(0)
    shapes = [(s.num_clip_frames, 3, *s.metainfo['img_shape']) for s in samples]
    clips = [torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator) for shape in shapes]
    return model.data_preprocessor(dict(inputs=dict(img=clips), data_samples=samples), training)


@pytest.fixture(scope='module')
def network():
    """A network in float64 whose queries, boxes and classes differ, with three padded clips and three expressions."""
    model = build().double().eval()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and 'norm' not in name:
            torch.nn.init.normal_(parameter, std=1 / math.sqrt(parameter[0].numel()))
    frames, padding = torch.randn(3, 2, 3, 64, 96).double(), torch.ones(3, 2, 64, 96, dtype=torch.bool)
    for clip, (height, width) in enumerate(SIZES):
        padding[clip, :, :height, :width] = False
    frames.masked_fill_(padding[:, :, None], 0)
    with torch.no_grad():
        text = model.text_encoder(TEXTS)
    return model, frames, padding, text


def run(network, clip_of, rows=slice(None), clips=slice(None), **kwargs):
    model, frames, padding, text = network
    with torch.no_grad():
        return model.forward_clip(frames[clips], padding[clips], SIZES[clips], text[rows],
                                  torch.tensor(clip_of, dtype=torch.long), **kwargs)


def test_shapes(network):
    out = run(network, [0, 1, 2])
    assert {name: tuple(value.shape) for name, value in out.items()} == dict(
        pred_logits=(2, 3, 2, 5, 1), pred_boxes=(2, 3, 2, 5, 4), pred_masks=(2, 3, 2, 5, 16, 24),
        reference_points=(3, 2, 5, 2))
    assert all(value.isfinite().all() for value in out.values())


def test_rows_of_a_batch_equal_their_clips_alone(network):
    clip_of = [2, 0, 0]  # two expressions of one clip, none of another, not in order
    together = run(network, clip_of)
    for row, clip in enumerate(clip_of):
        alone = run(network, [0], rows=slice(row, row + 1), clips=slice(clip, clip + 1))
        for name, value in alone.items():
            part = together[name][row:row + 1] if name == 'reference_points' else together[name][:, row:row + 1]
            torch.testing.assert_close(part, value, rtol=1e-7, atol=1e-9)


def test_rows_in_portions_change_nothing(network):
    want = run(network, [2, 0, 0])
    network[0].max_expressions = 2
    try:
        got = run(network, [2, 0, 0])
    finally:
        network[0].max_expressions = None
    for name, value in want.items():
        torch.testing.assert_close(got[name], value)


def test_last_layer_alone(network):
    want, got = run(network, [0, 1, 2]), run(network, [0, 1, 2], all_layers=False)
    for name in ('pred_logits', 'pred_boxes', 'pred_masks'):
        torch.testing.assert_close(got[name], want[name][-1:])


def test_no_expressions(network):
    out = run(network, [], rows=slice(0, 0))
    assert {name: value.shape[0 if name == 'reference_points' else 1] for name, value in out.items()} == dict(
        pred_logits=0, pred_boxes=0, pred_masks=0, reference_points=0)


def test_key_frames_leave_after_the_backbone(network):
    key = torch.tensor([[1], [0], [1]])
    got = run(network, [0, 1, 2], key_frames=key)
    assert got['pred_masks'].shape == (2, 3, 1, 5, 16, 24)
    model, frames, padding, text = network
    clips = torch.arange(3)[:, None]  # an image backbone sees frames alone, so a clip of one frame is the same
    with torch.no_grad():
        want = model.forward_clip(frames[clips, key], padding[clips, key], SIZES, text, torch.arange(3))
    torch.testing.assert_close(got['pred_masks'], want['pred_masks'])


def test_frames_beyond_a_clip_do_not_matter(network):
    model, frames, padding, text = network
    frames, padding = frames.clone(), padding.clone()
    frames[1, 1], padding[1, 1] = 0, True
    with torch.no_grad():
        got = model.forward_clip(frames, padding, SIZES, text, torch.arange(3))
    alone = run(network, [0], rows=slice(1, 2), clips=slice(1, 2), key_frames=torch.tensor([[0]]))
    assert all(value.isfinite().all() for value in got.values())
    torch.testing.assert_close(got['pred_masks'][:, 1:2, :1], alone['pred_masks'], rtol=1e-7, atol=1e-9)


def test_different_numbers_of_texts_and_rows(network):
    with pytest.raises(ValueError, match='3 expressions for 2 rows'):
        run(network, [0, 1])


def test_initialisation():
    model = build(num_queries=200)
    torch.testing.assert_close(model.class_heads[1].bias.detach(), torch.full((1, ), -math.log(99)))
    last = [head.layers[-1] for head in model.box_heads]
    assert not any(layer.weight.any() for layer in last)
    assert last[0].bias.tolist() == [0, 0, -2, -2] and last[1].bias.tolist() == [0, 0, 0, 0]
    assert torch.equal(model.box_heads[0].layers[0].weight, model.box_heads[1].layers[0].weight)
    assert model.box_heads[0].layers[0].weight is not model.box_heads[1].layers[0].weight
    assert 0.9 < float(model.query_position.detach().std()) < 1.1
    assert not model.input_projections[3][0].bias.any() and model.input_projections[3][0].stride == (2, 2)


@pytest.mark.parametrize('samples', [
    lambda: [sample((0, 1)), sample((2, ), size=(50, 70))],
    lambda: [sample((0, ), frames=2), sample((1, ), frames=3)],
    lambda: [sample((0, ), key_frames=[1]), sample((1, ), key_frames=[2])],
    lambda: [sample((0, )), sample(())],
    lambda: [sample(())],
], ids=['several', 'lengths', 'key frames', 'one without', 'none'])
def test_loss_reaches_every_weight(samples):
    model = build().train()
    losses = model(**batch(model, samples(), True), mode='loss')
    kinds = ('ce', 'bbox', 'giou', 'mask', 'dice')
    assert set(losses) == {f'loss_{kind}{layer}' for kind in kinds for layer in ('', '_0')}
    sum(losses.values()).backward()
    assert not [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_a_clip_is_learnt():
    model = build(text_dropout=0.0).train()
    data = batch(model, [sample((0, ))], True)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    history = []
    for _ in range(25):
        loss = sum(model(**data, mode='loss').values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    assert min(history[-5:]) < 0.6 * history[0]


def test_without_criterion():
    model = build(criterion=None)
    with pytest.raises(RuntimeError, match='without a criterion'):
        model(**batch(model, [sample()], True), mode='loss')


@torch.no_grad()
def test_predict_fills_samples():
    model = build(candidates=True, probabilities=True).eval()
    data = batch(model, [sample((0, 2)), sample((), size=(50, 70)), sample((1, ), frames=2)], False)
    first, empty, short = model(**data, mode='predict')
    assert first.pred_masks.shape == (2, 3, 100, 150) and first.pred_masks.dtype == torch.bool
    assert first.pred_scores.shape == (2, 3) and first.pred_boxes.shape == (2, 3, 4)
    assert empty.pred_masks.shape == (0, 3, 100, 150) and empty.pred_boxes.shape == (0, 3, 4) and empty.candidates == []
    assert short.pred_masks.shape == (1, 2, 100, 150)
    assert torch.equal(first.pred_prob > 0.5, first.pred_masks) and empty.pred_prob.shape == empty.pred_masks.shape
    assert len(first.candidates) == 2 and len(first.candidates[0]) == 3
    kept = first.candidates[1][2]
    assert kept['scores'].shape == (5, ) and kept['boxes'].shape == (5, 4) and kept['masks'][0]['size'] == [100, 150]
    assert float(first.pred_scores[1, 2]) in kept['scores'].tolist()


@torch.no_grad()
def test_key_frame_items_predict_their_key_frames():
    model = build().eval()
    (found, ) = model(**batch(model, [sample((0, 1), key_frames=[2])], False), mode='predict')
    assert found.pred_masks.shape == (2, 1, 100, 150) and found.pred_frames == [2]


@torch.no_grad()
def test_first_keeps_the_query_of_the_first_clip():
    model = build(query_choice='first').eval()
    start, later = dict(index=0, is_first=True, is_last=False), dict(index=1, is_first=False, is_last=True)
    (first, ) = model(**batch(model, [sample((0, ), clip=start)], False), mode='predict')
    assert set(first.state) == {'0'}
    for query in range(5):
        item = sample((0, ), clip=later)
        item.state = {'0': query}
        data = batch(model, [item], False)
        (found, ) = model(**data, mode='predict')
        outputs = model(**data, mode='tensor')
        torch.testing.assert_close(found.pred_scores[0], outputs['pred_logits'][-1, 0, :, query, 0].sigmoid())
        assert found.state == {'0': query}
    with pytest.raises(RuntimeError, match='without the state'):
        model(**batch(model, [sample((0, ), clip=later)], False), mode='predict')


@torch.no_grad()
def test_choice_by_video_wants_the_whole_video():
    model = build().eval()
    part = [sample((0, ), clip=dict(index=0, is_first=True, is_last=False))]
    with pytest.raises(ValueError, match='is cut into several'):
        model(**batch(model, part, False), mode='predict')
    model.query_choice = 'clip'
    assert model(**batch(model, part, False), mode='predict')[0].pred_masks.shape == (1, 3, 100, 150)


@pytest.mark.parametrize('settings, message', [
    (dict(query_choice='frame'), "query_choice 'frame'"),
    (dict(num_queries=0), 'at least 1'),
    (dict(max_expressions=0), 'at least 1'),
    (dict(transformer=dict(type='DeformableTransformer', channels=32, num_heads=4, num_levels=5)), 'num_levels is 5'),
])
def test_refused_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        build(**settings)


def test_three_levels_do_without_the_coarsest():
    model = build(transformer=dict(type='DeformableTransformer', channels=32, num_heads=4, num_levels=3,
                                   encoder_layers=1, decoder_layers=1, feedforward_channels=32)).eval()
    text = TextFeatures(words=torch.randn(1, 4, 16), sentence=torch.randn(1, 16),
                        mask=torch.ones(1, 4, dtype=torch.bool))
    frames, padding = torch.randn(1, 1, 3, 45, 61), torch.zeros(1, 1, 45, 61, dtype=torch.bool)
    with torch.no_grad():
        out = model.forward_clip(frames, padding, [(45, 61)], text, torch.zeros(1, dtype=torch.long))
    assert out['pred_masks'].shape == (1, 1, 1, 5, 12, 16)  # sizes are rounded up
    torch.testing.assert_close(out['reference_points'][0, 0], model.transformer.reference_points(
        model.query_position).sigmoid().detach())
