"""What ReferFormer costs and how it is run: memory, calls, recomputation, accumulation, bfloat16."""

import weakref

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmlvs.engine import BFloat16OptimWrapper, ClipStateHook
from mmlvs.evaluation.metrics import JFMetric
from mmlvs.structures import ClipBatch
from tests.models.segmentors.test_referformer import batch, build, sample

SWIN = dict(embed_dim=8, depths=(2, 2, 1, 1), num_heads=(1, 2, 2, 2), drop_path_rate=0.2)
BACKBONES = dict(
    resnet=dict(type='ResNetBackbone', depths=(2, 1, 1, 1), base_width=4, frozen_stages=-1),
    resnet_trained_norm=dict(type='ResNetBackbone', depths=(1, 1, 1, 1), base_width=4, frozen_stages=0,
                             frozen_norm=False),
    swin=dict(type='SwinBackbone', window_size=4, **SWIN),
    video_swin=dict(type='VideoSwinBackbone', window_size=(2, 4, 4), **SWIN))
TRANSFORMER = dict(type='DeformableTransformer', channels=32, num_heads=4, encoder_layers=2, decoder_layers=2,
                   feedforward_channels=32, encoder_points=2, decoder_points=2)


class LiveBytes(TorchDispatchMode):
    """Bytes of all tensors made under this mode that still live, and the most there were since ``restart``."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self.known = set()

    def restart(self):
        self.peak = self.live

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._watch(tensor.untyped_storage())
        return out

    def _watch(self, storage):
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.known.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key, size):
        self.known.discard(key)
        self.live -= size


def loss_of(model, data):
    return sum(model(**data, mode='loss').values())


def gradients(model):
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def in_double(data):
    data['inputs']['img'].frames = data['inputs']['img'].frames.double()
    return data


# ------------------------------------------------------------ inference


@pytest.mark.parametrize('max_expressions', [None, 1])
@torch.no_grad()
def test_the_backbone_runs_once_for_all_expressions(max_expressions):
    model = build(max_expressions=max_expressions).eval()
    seen = []
    model.backbone.register_forward_hook(lambda module, inputs, output: seen.append(tuple(inputs[0].shape)))
    (found, ) = model(**batch(model, [sample((0, 1, 2))], False), mode='predict')
    assert seen == [(1, 3, 3, 64, 96)] and found.pred_masks.shape[0] == 3
    alone = [model(**batch(model, [sample((i, ))], False), mode='predict')[0].pred_masks for i in range(3)]
    assert torch.equal(torch.cat(alone), found.pred_masks)


def clips(model, count, length=2, texts=(0, 1)):
    """Preprocessed clips of one long video."""
    for i in range(count):
        clip = dict(index=i, is_first=i == 0, is_last=i == count - 1)
        item = sample(texts, frames=length, clip=clip)
        names = [f'{i * length + t:05d}' for t in range(length)]
        item.set_metainfo(dict(num_frames=count * length, frame_ids=names))
        item.gt_masks = torch.nn.functional.pad(item.gt_masks, (0, 54, 0, 36))  # truth at original size
        item.gt_annotated = torch.ones(length, dtype=torch.bool)
        generator = torch.Generator().manual_seed(i)
        frames = torch.randint(0, 256, (length, 3, 64, 96), dtype=torch.uint8, generator=generator)
        yield model.data_preprocessor(dict(inputs=dict(img=[frames]), data_samples=[item]), False)


@pytest.mark.parametrize('query_choice', ['first', 'clip'])
@torch.no_grad()
def test_memory_does_not_grow_with_the_length_of_a_video(query_choice):
    """Tensor bytes held after clip 20, and the most held in it, are those of clip 2."""
    model = build(query_choice=query_choice).eval()
    hook, metric, held, peaks = ClipStateHook(), JFMetric(), [], []
    with LiveBytes() as memory:
        for data in clips(model, 20):
            memory.restart()
            hook._before_iter(None, 0, data, mode='test')
            outputs = model(**data, mode='predict')
            metric.process(None, outputs)
            hook._after_iter(None, 0, data, outputs, mode='test')
            held.append(memory.live)
            peaks.append(memory.peak)
        del data, outputs
        assert memory.live < held[-1], 'the measurement sees what is freed'
    assert held[-1] == held[1] and peaks[-1] == peaks[1] > 1e6
    assert metric.evaluate(20)['J'] >= 0, 'all frames of the video were scored'


@torch.no_grad()
def test_a_video_in_clips_is_the_video_at_once():
    """With an image backbone and one query, frames do not depend on how the video is cut."""
    model = build(query_choice='clip', num_queries=1).double().eval()
    parts = [model(**in_double(data), mode='predict')[0] for data in clips(model, 3)]
    model.query_choice = 'video'
    frames = torch.cat([in_double(data)['inputs']['img'].frames for data in clips(model, 3)], dim=1)
    whole = next(clips(model, 1, length=6))
    whole['inputs']['img'].frames = frames
    (found, ) = model(**whole, mode='predict')
    assert torch.equal(found.pred_masks, torch.cat([part.pred_masks for part in parts], dim=1))
    torch.testing.assert_close(found.pred_scores, torch.cat([part.pred_scores for part in parts], dim=1))


# ------------------------------------------------------------ training


@pytest.mark.parametrize('backbone', BACKBONES.values(), ids=BACKBONES)
def test_recomputing_activations_changes_nothing(backbone):
    """Loss, gradients and running statistics with and without activation checkpointing, dropout on."""
    found = []
    for with_cp in (False, True):
        model = build(backbone={**backbone, 'with_cp': with_cp}, transformer={**TRANSFORMER, 'with_cp': with_cp})
        model = model.double().train()
        torch.manual_seed(1)
        loss = loss_of(model, in_double(batch(model, [sample((0, 1)), sample((2, ), size=(50, 70))], True)))
        loss.backward()
        found.append((loss.detach(), gradients(model), dict(model.named_buffers())))
    (loss, plain, buffers), (other, recomputed, kept) = found
    torch.testing.assert_close(other, loss, rtol=1e-14, atol=0)
    assert plain.keys() == recomputed.keys()
    for name, value in plain.items():
        torch.testing.assert_close(recomputed[name], value, rtol=1e-12, atol=1e-12, msg=name)
    assert all(torch.equal(kept[name], value) for name, value in buffers.items())


def test_recomputing_activations_keeps_less():
    kept = []
    for with_cp in (False, True):
        model = build(backbone={**BACKBONES['video_swin'], 'with_cp': with_cp},
                      transformer={**TRANSFORMER, 'with_cp': with_cp}).train()
        data = batch(model, [sample((0, 1))], True)
        with LiveBytes() as memory:
            loss = loss_of(model, data)
            kept.append(memory.live)
        loss.backward()
    assert kept[1] < 0.75 * kept[0]


def two_clips(visible):
    """Two clips of one size whose targets are seen in that many frames."""
    items = [sample((0, 1)), sample((2, ))]
    for item, frames in zip(items, visible, strict=True):
        item.gt_valid[:, frames:] = False
    return items


def update(visible, rounds, clips=slice(None)):
    """Losses, and the change of the weights by gradient descent of rate 1, of some clips in accumulated rounds."""
    model = build().double().eval()  # eval: without dropout
    data = in_double(batch(model, two_clips(visible), True))
    samples, whole = data['data_samples'][clips], data['inputs']['img']
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 1.0), accumulative_counts=rounds)
    wrapper.initialize_count_status(model, 0, rounds)
    losses, size = [], len(samples) // rounds
    for start in range(0, len(samples), size):
        rows = slice((clips.start or 0) + start, (clips.start or 0) + start + size)
        part = ClipBatch(frames=whole.frames[rows], padding=whole.padding[rows], sizes=whole.sizes[rows],
                         lengths=whole.lengths[rows])
        with wrapper.optim_context(model):
            loss = loss_of(model, dict(inputs=dict(img=part), data_samples=samples[start:start + size]))
        assert all(torch.equal(p, before[name]) for name, p in model.named_parameters()), 'updated too early'
        wrapper.update_params(loss)
        losses.append(float(loss.detach()))
    return losses, {name: p.detach() - before[name] for name, p in model.named_parameters()}


def test_accumulated_batches_are_one_batch():
    """Two rows visible in 1 frame, one row in 2: as many visible frames in either clip, so the step is the same."""
    (one, two), accumulated = update((1, 2), rounds=2)
    (both, ), together = update((1, 2), rounds=1)
    assert both == pytest.approx((one + two) / 2, rel=1e-12)
    for name, value in together.items():
        torch.testing.assert_close(accumulated[name], value, rtol=1e-9, atol=1e-12, msg=name)


def test_accumulation_means_the_losses_of_its_rounds():
    """Unequal numbers: the update is that of the mean loss, while a batch weighs its clips by their visible frames."""
    (one, two), accumulated = update((3, 1), rounds=2)  # 6 and 1 visible frames
    (both, ), _ = update((3, 1), rounds=1)
    assert both == pytest.approx((6 * one + two) / 7, rel=1e-12) and one != pytest.approx(two, rel=1e-3)
    alone = [update((3, 1), rounds=1, clips=slice(i, i + 1))[1] for i in range(2)]
    for name, value in accumulated.items():
        torch.testing.assert_close(value, (alone[0][name] + alone[1][name]) / 2, rtol=1e-9, atol=1e-12, msg=name)


def test_training_in_bfloat16():
    found = []
    for wrapper_class in (OptimWrapper, BFloat16OptimWrapper):
        model = build().eval()
        raw = dict(inputs=dict(img=[torch.randint(0, 256, (3, 3, 64, 96), dtype=torch.uint8,
                                                  generator=torch.Generator().manual_seed(2))]),
                   data_samples=[sample((0, 1))])
        kinds = set()
        model.transformer.encoder.layers[0].feedforward.layers[0].register_forward_hook(
            lambda module, inputs, output, kinds=kinds: kinds.add(output.dtype))
        before = model.query_position.detach().clone()
        logged = model.train_step(raw, wrapper_class(optimizer=torch.optim.SGD(model.parameters(), 1e-3)))
        assert all(p.isfinite().all() and p.dtype == torch.float32 for p in model.parameters())
        assert not torch.equal(before, model.query_position)
        found.append({name: float(value) for name, value in logged.items()})
        assert kinds == {torch.float32 if wrapper_class is OptimWrapper else torch.bfloat16}
    assert found[1]['loss'] == pytest.approx(found[0]['loss'], rel=0.03)
    assert found[1] != found[0]


@torch.no_grad()
def test_prediction_in_bfloat16():
    model = build(query_choice='clip', probabilities=True).eval()
    (want, ) = model(**batch(model, [sample((0, 1))], False), mode='predict')
    with torch.autocast('cpu', dtype=torch.bfloat16):
        (found, ) = model(**batch(model, [sample((0, 1))], False), mode='predict')
    assert found.pred_prob.isfinite().all() and found.pred_masks.shape == want.pred_masks.shape
    assert float((found.pred_scores.float() - want.pred_scores).abs().max()) < 0.01
    assert float((found.pred_prob.float() - want.pred_prob).abs().mean()) < 0.02
