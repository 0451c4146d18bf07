"""Isomer through the doors: losses, predictions, missing flow, sizes, starts."""

from itertools import cycle

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch import nn

from mmlvs.io.flow import DISFlow, flow_images
from mmlvs.models.backbones import SwinBackbone
from mmlvs.registry import MODELS
from mmlvs.structures import VideoSegDataSample

SWIN = dict(type='SwinBackbone', embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=4,
            out_norm=False, drop_path_rate=0.0)
SEMANTIC = dict(type='SemanticGatheringScatteringTransformer', num_points=4, num_heads=2, ffn_ratio=1, dropout=0.0)
CONTEXT = dict(type='ContextSharingTransformer', context_ratio=1, ffn_ratio=1, dropout=0.0)


def build(square=False, flow=True, codec=None, **settings):
    torch.manual_seed(0)
    codec = codec or dict(pad_divisor=1, mask_stride=1, way_back='direct' if square else 'crop_first')
    head = dict(type='IsomerHead', channels=8, dropout=0.0, square_upsampling=square)
    model = MODELS.build(dict(
        type='Isomer', data_preprocessor=dict(type='ClipDataPreprocessor', codec=codec),
        backbone=dict(type='TwoStreamBackbone', appearance=SWIN, motion=SWIN), decode_head=head,
        fusions=[CONTEXT, CONTEXT, SEMANTIC, SEMANTIC], criterion=dict(type='SaliencyCriterion'),
        flow=dict(type='DISFlow', preset='ultrafast') if flow else None, **settings))
    for name, parameter in model.named_parameters():
        if 'norm' not in name and '.bn.' not in name:
            nn.init.normal_(parameter, std=0.2)
    return model.eval()


def item(frames=3, size=(40, 56), original=None, video='v', flow=True, extra=0, seed=0, annotated=None, key=None):
    rng = np.random.default_rng(seed)
    base = torch.from_numpy(rng.integers(0, 255, (1, 3, size[0], size[1] + 4 * (frames + extra)), dtype=np.uint8))
    image = torch.cat([base[..., 4 * t:4 * t + size[1]] for t in range(frames + extra)])  # everything moves
    sample = VideoSegDataSample(metainfo=dict(
        video_id=video, frame_ids=[f'{t:05d}' for t in range(frames)], num_frames=frames, texts=[], object_ids=['1'],
        expression_ids=['0'], clip=dict(index=0, is_first=True, is_last=True), key_frames=key, img_shape=size,
        ori_shape=original or size, scale_factor=(1.0, 1.0), flip=False, dataset='test'))
    sample.gt_masks = torch.zeros((1, frames, *size), dtype=torch.uint8)
    sample.gt_masks[:, :, 8:24, 8:24] = 255
    sample.gt_ignore = torch.zeros((frames, *size), dtype=torch.bool)
    sample.gt_annotated = torch.ones(frames, dtype=torch.bool) if annotated is None else torch.tensor(annotated)
    sample.gt_objects = [[0]]
    inputs = dict(img=image)
    if flow:
        inputs['flow'] = torch.from_numpy(rng.integers(0, 255, (frames, 3, *size), dtype=np.uint8))
    return dict(inputs=inputs, data_samples=sample)


def run(model, items, mode='predict'):
    return model(**model.data_preprocessor(pseudo_collate(items), mode == 'loss'), mode=mode)


def test_prediction_has_soft_maps_and_masks_at_original_size():
    model = build()
    (sample, ) = run(model, [item(original=(45, 67))])
    assert sample.pred_soft.dtype == torch.uint8 and sample.pred_soft.shape == (1, 3, 45, 67)
    assert torch.equal(sample.pred_masks, sample.pred_soft > 128) and sample.mask_space == 'original'
    assert sample.pred_soft.amin((2, 3)).max() == 0 and sample.pred_soft.amax((2, 3)).min() >= 254
    assert sample.pred_scores.shape == (1, 3)
    assert run(model, [item()], 'tensor').shape == (1, 3, 40, 56)


@pytest.mark.parametrize('square', [False, True])
@pytest.mark.parametrize('at_once', [1, 2, 100])
def test_frames_do_not_see_each_other_clips_or_padding(square, at_once):
    """Any cut into clips, any company in the batch, any number at once: the same maps."""
    model = build(square, frames_at_once=at_once)
    one, other = item(frames=4, video='a'), item(frames=2, size=(33, 50), seed=1, video='b')
    together = run(model, [one, other])
    for sample, alone in zip(together, (one, other), strict=True):
        (expected, ) = run(model, [alone])
        assert (sample.pred_soft.int() - expected.pred_soft.int()).abs().max() <= 1
    parts = []
    for start in (0, 1, 3):
        stop = {0: 1, 1: 3, 3: 4}[start]
        part = item(frames=4)
        part['inputs'] = {name: x[start:stop] for name, x in part['inputs'].items()}
        part['data_samples'].set_metainfo(dict(frame_ids=[str(t) for t in range(start, stop)]))
        parts.append(run(model, [part])[0].pred_soft)
    assert (torch.cat(parts, 1).int() - together[0].pred_soft.int()).abs().max() <= 1


def test_only_key_frames_are_predicted():
    whole, part = run(build(), [item()])[0], run(build(), [item(key=[2])])[0]
    assert part.pred_frames == [2] and (part.pred_soft[:, 0].int() - whole.pred_soft[:, 2].int()).abs().max() <= 1


def test_rectangles_stay_rectangles_and_the_released_form_stretches_them():
    """The released head makes square maps; equal weights give equal maps where frames are square."""
    ours, released = build(), build(square=True)
    assert ours.forward_frames(*torch.randn(2, 1, 3, 40, 56)).shape == (1, 1, 40, 56)
    assert released.forward_frames(*torch.randn(2, 1, 3, 40, 56)).shape == (1, 1, 56, 56)
    pair = [run(model, [item(size=(48, 48))])[0].pred_soft for model in (ours, released)]
    assert torch.equal(*pair)
    assert run(released, [item()])[0].pred_soft.shape == (1, 3, 40, 56)
    with pytest.raises(ValueError, match="square_upsampling=False. Or set way_back='direct'"):
        build(square=True, codec=dict(mask_stride=1, way_back='crop_first'))


def test_missing_flow_is_computed_from_the_frames():
    model = build()
    given, bare = item(), item(flow=False)
    frames = bare['inputs']['img'].permute(0, 2, 3, 1).numpy()
    images = np.stack(list(flow_images(frames, DISFlow(preset='ultrafast'))))
    given['inputs']['flow'] = torch.from_numpy(images).permute(0, 3, 1, 2)
    expected = run(model, [given])[0].pred_soft
    assert (run(model, [bare])[0].pred_soft.int() - expected.int()).abs().max() <= 1
    empty = item()
    empty['inputs']['flow'] = empty['inputs']['flow'][:0]  # an absent stream
    assert (run(model, [empty])[0].pred_soft.int() - expected.int()).abs().max() <= 1
    assert set(run(model.train(), [bare], 'loss')) == {'loss_bce'}
    with pytest.raises(ValueError, match='make_flow.py makes the files'):
        run(build(flow=False), [item(flow=False)])


def test_a_clip_that_looks_ahead_is_as_the_whole_video():
    """Clips with one frame more than they name give the maps of one long clip, on-the-fly flow included."""
    model = build()
    whole = run(model, [item(frames=5, flow=False)])[0].pred_soft
    frames = item(frames=5, flow=False)['inputs']['img']
    parts, state = [], {}
    for start, stop in ((0, 2), (2, 4), (4, 5)):
        part = item(frames=stop - start, flow=False)
        part['inputs']['img'] = frames[start:stop + 1]
        part['data_samples'].set_metainfo(dict(clip=dict(index=start, is_first=start == 0, is_last=stop == 5)))
        part['data_samples'].state = state  # as ClipStateHook does; a last clip of one frame needs the one before it
        (sample, ) = run(model, [part])
        state = sample.state
        parts.append(sample.pred_soft)
    assert (torch.cat(parts, 1).int() - whole.int()).abs().max() <= 1
    del part['data_samples'].state
    with pytest.raises(RuntimeError, match='without the state of the clip'):
        run(model, [part])


def test_raw_video_is_segmented_frame_by_frame():
    """A generator in, a generator out; the same as a clip of all frames with its flow."""
    model = build(frames_at_once=2)
    bare = item(frames=5, flow=False)
    frames = bare['inputs']['img'].permute(0, 2, 3, 1).numpy()
    maps = np.stack(list(model.predict_video(iter(frames))))
    assert maps.dtype == np.uint8 and maps.shape == (5, 40, 56)
    assert np.abs(maps.astype(int) - run(model, [bare])[0].pred_soft[0].numpy()).max() <= 1
    taken = []
    stream = model.predict_video(taken.append(1) or frame for frame in cycle(frames))  # it never ends
    next(stream)
    stream.close()
    assert len(taken) <= 5  # two blocks of two, and the frame that the last flow leads to
    with pytest.raises(ValueError, match=r'frame 1 has shape \(8, 56, 3\)'):  # from the other thread
        next(model.predict_video([frames[0], frames[1, :8]]))
    assert list(model.predict_video(iter(()))) == []
    resized = build(codec=dict(size=(32, 48), pad_divisor=1, mask_stride=1, way_back='crop_first'))
    assert next(resized.predict_video(iter(frames))).shape == (40, 56)


def test_flow_of_another_size_or_too_little_flow_is_an_error():
    wrong = item()
    wrong['inputs']['flow'] = wrong['inputs']['flow'][..., :40]
    with pytest.raises(ValueError, match=r"video 'v': flow images of \(40, 40\) for frames of \(40, 56\)"):
        run(build(), [wrong])
    short = item()
    short['inputs']['flow'] = short['inputs']['flow'][:2]
    with pytest.raises(ValueError, match='2 flow images, but frame 2'):
        run(build(), [short])


def test_loss_is_of_annotated_frames_and_pixels_that_count():
    model = build()
    every = run(model, [item()], 'loss')['loss_bce']
    one = [run(model, [item(annotated=[t == k for t in range(3)])], 'loss')['loss_bce'] for k in range(3)]
    assert torch.allclose(every, torch.stack(one).mean(), atol=1e-5)
    void = item()
    void['data_samples'].gt_ignore[:, :20] = True
    inside = run(model, [void], 'loss')['loss_bce']
    logits = run(model, [item()], 'tensor')[:, :, 20:]
    target = (void['data_samples'].gt_masks[0, :, 20:] / 255)[None]
    assert torch.allclose(inside, nn.functional.binary_cross_entropy_with_logits(logits, target), atol=1e-5)
    nothing = run(model, [item(annotated=[False] * 3)], 'loss')['loss_bce']
    nothing.backward()
    assert float(nothing) == 0 and all(p.grad is not None for p in model.parameters())


def test_clips_of_different_size_train_together_without_their_padding():
    model = build()
    small, large = item(size=(32, 40), frames=1), item(frames=2)
    apart = [run(model, [x], 'loss')['loss_bce'] for x in (item(size=(32, 40), frames=1), item(frames=2))]
    both = run(model, [small, large], 'loss')['loss_bce']
    assert torch.allclose(both, (apart[0] + 2 * apart[1]) / 3, atol=1e-5)


def test_grey_truth_stays_soft():
    model, grey, hard = build(), item(), item()
    grey['data_samples'].gt_masks[grey['data_samples'].gt_masks > 0] = 128
    hard['data_samples'].gt_masks = (hard['data_samples'].gt_masks > 0).byte()  # 0 and 1 mean the same as 0 and 255
    assert torch.equal(run(model, [hard], 'loss')['loss_bce'], run(model, [item()], 'loss')['loss_bce'])
    target = (grey['data_samples'].gt_masks[0] / 255)[None]
    expected = nn.functional.binary_cross_entropy_with_logits(run(model, [item()], 'tensor'), target)
    grey['data_samples'].gt_masks[0, 0, 0, 0] = 255 * 0 + 2  # far below half, still grey
    assert torch.allclose(run(model, [grey], 'loss')['loss_bce'], expected, atol=1e-3)


@pytest.mark.parametrize('square', [False, True])
def test_multi_scale_training_resizes_frames_flow_and_truth(square, monkeypatch):
    """The official option leaves the flow at its size and crashes."""
    model = build(square, train_scales=(0.75, 1.0, 1.25)).train()
    sizes = set()
    forward = model.forward_frames
    monkeypatch.setattr(model, 'forward_frames', lambda image, flow: (
        sizes.add((tuple(image.shape[-2:]), tuple(flow.shape[-2:]))), forward(image, flow))[1])
    torch.manual_seed(0)
    for _ in range(12):
        loss = run(model, [item(size=(64, 128), frames=2)], 'loss')['loss_bce']
        assert torch.isfinite(loss)
    assert sizes == {((64, 96), (64, 96)), ((64, 128), (64, 128)), ((64, 160), (64, 160))}


def test_half_precision():
    """Under autocast, maps have all their levels and losses are close."""
    model = build()
    expected, loss = run(model, [item()])[0].pred_soft, run(model, [item()], 'loss')['loss_bce']
    with torch.autocast('cpu', torch.bfloat16):
        (sample, ) = run(model, [item()])
        half = run(model, [item()], 'loss')['loss_bce']
        half.backward()
    assert sample.pred_soft.unique().numel() > 200
    assert (sample.pred_soft.float() - expected.float()).abs().mean() < 8
    assert half.dtype == torch.float32 and abs(float(half - loss)) < 0.05


def test_start_of_training():
    """All convolutions normal with 0.01, norms neutral, unless told to keep the start of each part."""
    model = build()
    model.init_weights()
    deviations = [float(m.weight.detach().std()) for m in model.modules()
                  if isinstance(m, nn.Conv2d) and m.weight.numel() > 100]
    assert len(deviations) >= 10 and all(0.008 < x < 0.012 for x in deviations)
    kept = build(conv_std=None)
    kept.init_weights()
    patch = kept.backbone.appearance.patch_embed.proj.weight
    assert float(patch.detach().std()) > 0.05


def test_backbones_start_from_their_file(tmp_path):
    torch.manual_seed(3)
    settings = {key: value for key, value in SWIN.items() if key != 'type'}
    source = SwinBackbone(**settings)
    torch.save({'model': source.state_dict()}, tmp_path / 'swin.pth')
    model = build()
    start = dict(SWIN, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'swin.pth')))
    model.backbone = MODELS.build(dict(type='TwoStreamBackbone', appearance=start, motion=start))
    model.init_weights()
    for stream in (model.backbone.appearance, model.backbone.motion):
        assert torch.equal(stream.patch_embed.proj.weight, source.patch_embed.proj.weight)
    assert 0.008 < float(model.decode_head.fuse.conv.weight.detach().std()) < 0.012


def test_settings_are_checked():
    with pytest.raises(ValueError, match='frames_at_once 0'):
        build(frames_at_once=0)
    with pytest.raises(ValueError, match='needs a criterion'):
        model = build()
        model.criterion = None
        run(model, [item()], 'loss')
