import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlvs.models.losses import ReferFormerCriterion, RowTarget
from mmlvs.models.losses import referformer_criterion as module
from mmlvs.models.losses.referformer_criterion import TERMS
from mmlvs.registry import MODELS


def _criterion(**kwargs):
    return ReferFormerCriterion(matcher=dict(type='ClipMatcher'), **kwargs)


def _outputs(layers=2, rows=2, frames=3, queries=4, classes=1, grid=(8, 8), seed=0):
    g = torch.Generator().manual_seed(seed)
    boxes = torch.rand(layers, rows, frames, queries, 4, generator=g, dtype=torch.float64) * 0.5 + 0.2
    return dict(pred_logits=torch.randn(layers, rows, frames, queries, classes, generator=g, dtype=torch.float64),
                pred_boxes=boxes,
                pred_masks=torch.randn(layers, rows, frames, queries, *grid, generator=g, dtype=torch.float64))


def _targets(rows=2, frames=3, size=(30, 20), classes=1, seed=1):
    g = torch.Generator().manual_seed(seed)
    out = []
    for i in range(rows):
        valid = torch.rand(frames, generator=g) > 0.4
        valid[i % frames] = True
        masks = (torch.rand(frames, *size, generator=g) > 0.5) & valid[:, None, None]
        boxes = (torch.rand(frames, 4, generator=g) * 0.5 + 0.2) * valid[:, None]
        out.append(RowTarget(masks=masks, boxes=boxes, valid=valid, label=i % classes))
    return out


def _focal(x, t):
    p = x.sigmoid()
    pt = p * t + (1 - p) * (1 - t)
    weight = 0.25 * t + 0.75 * (1 - t)
    return weight * (1 - pt) ** 2 * F.binary_cross_entropy_with_logits(x, t, reduction='none')


def _plain_terms(outputs, targets, matched, shape):
    """The definitions, row by row and layer by layer."""
    count = max(sum(int(row.valid.sum()) for row in targets), 1)
    terms = {name: [] for name in TERMS}
    for layer in range(len(matched)):
        sums = dict.fromkeys(TERMS, 0.0)
        for e, row in enumerate(targets):
            k = int(matched[layer, e])
            logits = outputs['pred_logits'][layer, e]  # T q K
            goal = torch.zeros_like(logits)
            goal[row.valid, k, row.label] = 1
            sums['loss_ce'] += _focal(logits, goal).sum()
            box, want = outputs['pred_boxes'][layer, e, :, k], row.boxes.double()  # T 4
            sums['loss_bbox'] += (box - want).abs().sum()
            for b, w in zip(box, want, strict=True):
                (x0, y0), (x1, y1) = (b[:2] - b[2:] / 2), (b[:2] + b[2:] / 2)
                (u0, v0), (u1, v1) = (w[:2] - w[2:] / 2), (w[:2] + w[2:] / 2)
                inter = max(min(x1, u1) - max(x0, u0), 0) * max(min(y1, v1) - max(y0, v0), 0)
                union = (x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - inter
                hull = (max(x1, u1) - min(x0, u0)) * (max(y1, v1) - min(y0, v0))
                giou = (inter + 1e-6) / (union + 1e-6) - (hull - union + 1e-6) / (hull + 1e-6)
                sums['loss_giou'] += 1 - giou
            mask = outputs['pred_masks'][layer, e, :, k]
            pad = (0, shape[1] - row.masks.shape[2], 0, shape[0] - row.masks.shape[1])
            goal = F.pad(row.masks.double(), pad)[:, 2::4, 2::4]
            sums['loss_mask'] += _focal(mask, goal).mean()
            p = mask.sigmoid()
            sums['loss_dice'] += 1 - (2 * (p * goal).sum() + 1) / (p.sum() + goal.sum() + 1)
        for name in TERMS:
            terms[name].append(sums[name] / count)
    return {name: torch.stack(values) for name, values in terms.items()}


@settings(max_examples=15, deadline=None)
@given(layers=st.integers(1, 3), rows=st.integers(1, 3), frames=st.integers(1, 3), queries=st.integers(1, 4),
       classes=st.integers(1, 3), seed=st.integers(0, 99))
def test_equals_the_definitions_row_by_row(layers, rows, frames, queries, classes, seed):
    outputs = _outputs(layers, rows, frames, queries, classes, seed=seed)
    targets, criterion = _targets(rows, frames, classes=classes, seed=seed), _criterion(num_classes=classes)
    chosen, prepared = criterion.prepare(outputs, targets, (32, 32))
    matched = criterion.match(chosen, prepared)
    got = criterion.terms(chosen, prepared, matched)
    for name, value in _plain_terms(outputs, targets, matched, (32, 32)).items():
        torch.testing.assert_close(got[name], value, rtol=1e-9, atol=1e-12)


def test_names_and_weights():
    outputs, targets = _outputs(layers=3), _targets()
    losses = _criterion()(outputs, targets, (32, 32))
    assert set(losses) == {f'{name}{suffix}' for name in TERMS for suffix in ('', '_0', '_1')}
    heavier = _criterion(weight_ce=4.0, weight_mask=0.0)(outputs, targets, (32, 32))
    assert heavier['loss_ce_1'] == 2 * losses['loss_ce_1'] and heavier['loss_mask'] == 0
    last = _criterion(aux_losses=False)(outputs, targets, (32, 32))
    assert set(last) == set(TERMS) and all(last[name] == losses[name] for name in TERMS)


@pytest.mark.parametrize('absent_boxes', ['zero', 'ignore'])
def test_boxes_of_absent_frames(absent_boxes):
    outputs, targets = _outputs(layers=1, rows=1, queries=1), _targets(rows=1)
    targets[0].valid = torch.tensor([True, False, True])
    targets[0].boxes[1] = 0
    outputs['pred_boxes'].requires_grad_()
    losses = _criterion(absent_boxes=absent_boxes)(outputs, targets, (32, 32))
    (losses['loss_bbox'] + losses['loss_giou']).backward()
    touched = outputs['pred_boxes'].grad[0, 0, :, 0].abs().sum(dim=-1) > 0
    assert touched.tolist() == [True, absent_boxes == 'zero', True]


def test_no_row_gives_connected_zeros():
    outputs = {k: v.requires_grad_() for k, v in _outputs(rows=0).items()}
    losses = _criterion()(outputs, [], (32, 32))
    total = sum(losses.values())
    assert total == 0
    total.backward()
    assert all(v.grad is not None and v.grad.shape == v.shape for v in outputs.values())


def test_target_never_visible_gives_finite_losses():
    targets = [RowTarget(masks=torch.zeros(3, 30, 20), boxes=torch.zeros(3, 4), valid=torch.zeros(3))]
    losses = _criterion()(_outputs(rows=1), targets, (32, 32))
    assert all(torch.isfinite(v) for v in losses.values())


def test_perfect_prediction_is_matched_and_costs_little():
    targets, outputs = _targets(rows=2), _outputs(layers=1)
    for e, k in enumerate((3, 1)):
        masks = F.pad(targets[e].masks.double(), (0, 12, 0, 2))[:, 2::4, 2::4]
        outputs['pred_masks'][0, e, :, k] = masks * 60 - 30
        outputs['pred_boxes'][0, e, :, k] = targets[e].boxes.double()
        outputs['pred_logits'][0, e] = -30.0
        outputs['pred_logits'][0, e, targets[e].valid, k] = 30.0
    criterion = _criterion()
    chosen, prepared = criterion.prepare(outputs, targets, (32, 32))
    assert criterion.match(chosen, prepared).tolist() == [[3, 1]]
    losses = criterion(outputs, targets, (32, 32))
    for name in ('loss_ce', 'loss_bbox', 'loss_mask', 'loss_dice'):
        assert losses[name] < 1e-6, name


def test_divisor_is_the_mean_over_ranks(monkeypatch):
    outputs, targets = _outputs(), _targets()
    visible = sum(int(row.valid.sum()) for row in targets)
    alone = _criterion()(outputs, targets, (32, 32))

    def other_rank_has_seven(value, op):
        assert op == 'sum'
        value += 7

    monkeypatch.setattr(module, 'all_reduce', other_rank_has_seven)
    monkeypatch.setattr(module, 'get_world_size', lambda: 2)
    shared = _criterion()(outputs, targets, (32, 32))
    for name in alone:
        torch.testing.assert_close(shared[name], alone[name] * visible / ((visible + 7) / 2))


def test_half_precision_is_computed_in_float32():
    targets = _targets()
    half = {k: v.to(torch.bfloat16) for k, v in _outputs().items()}
    got = _criterion()(half, targets, (32, 32))
    full = _criterion()({k: v.float() for k, v in half.items()}, targets, (32, 32))
    assert all(got[k].dtype == torch.float32 and torch.equal(got[k], full[k]) for k in got)


def test_registered_and_class_count_checked():
    criterion = MODELS.build(dict(type='ReferFormerCriterion', matcher=dict(type='ClipMatcher'), num_classes=2))
    with pytest.raises(ValueError, match='num_classes = 2'):
        criterion(_outputs(), _targets(), (32, 32))


_TWO_RANKS = """
import os, sys, torch
from mmlvs.models.losses import ReferFormerCriterion, RowTarget
torch.distributed.init_process_group('gloo')
rank = int(os.environ['RANK'])
torch.manual_seed(0)
frames = 4
valid = torch.arange(frames) < (4 if rank == 0 else 2)
rows = [RowTarget(masks=torch.ones(frames, 32, 32), boxes=torch.full((frames, 4), 0.5), valid=valid)]
if rank == 1 and sys.argv[1] == 'empty':
    rows = []
outputs = dict(pred_logits=torch.randn(1, len(rows), frames, 2, 1), pred_boxes=torch.rand(1, len(rows), frames, 2, 4),
               pred_masks=torch.randn(1, len(rows), frames, 2, 8, 8))
criterion = ReferFormerCriterion(matcher=dict(type='ClipMatcher'))
chosen, prepared = criterion.prepare(outputs, rows, (32, 32))
print('divisor', criterion._count(prepared).item(), 'finite', all(map(torch.isfinite, criterion(
    outputs, rows, (32, 32)).values())))
"""


@pytest.mark.slow
@pytest.mark.parametrize('second, divisor', [('rows', 3.0), ('empty', 2.0)])
def test_two_processes_share_the_divisor(second, divisor):
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    root = str(Path(module.__file__).parents[3])
    ranks = [subprocess.Popen([sys.executable, '-c', _TWO_RANKS, second], stdout=subprocess.PIPE, text=True, cwd=root,
                              env={**os.environ, 'RANK': str(rank), 'LOCAL_RANK': str(rank), 'WORLD_SIZE': '2',
                                   'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(port), 'OMP_NUM_THREADS': '1',
                                   'PYTHONPATH': root})
             for rank in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in ranks]
    for process, out in zip(ranks, outputs, strict=True):
        assert process.returncode == 0 and f'divisor {divisor} finite True' in out
