"""Parity of LAVT's losses, training steps and adaptation of weights."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import torch

from mmlvs.engine import PolyIterationLR
from mmlvs.io.conversion import rename
from mmlvs.io.conversions.backbones import fit_bias_table, sum_over_time
from mmlvs.models.losses import pixel_criteria

_spec = importlib.util.spec_from_file_location('parity_adapter_lavt_network_for_training',
                                               Path(__file__).with_name('_lavt_network.py'))
_network = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_network)
tensor = _network.tensor


def loss_of(setting, parameters, logits, target):
    """A recorded loss by our formulas."""
    kind = setting if isinstance(setting, str) else setting['type']
    if kind == 'ce':
        return pixel_criteria.class_cross_entropy(logits, target, weights=parameters['class_weights'])
    width = dict(width=parameters.get('theta0', 3), tolerance=parameters.get('theta', 5),
                 eps=parameters.get('boundary_eps', 1e-7))
    if kind == 'boundary':
        return pixel_criteria.boundary_f(logits, target, **width)
    dice = pixel_criteria.multi_class_dice(logits, target, eps=parameters['eps'])
    if kind == 'mc_dice':
        return dice
    if kind == 'dice_focal':
        focal = pixel_criteria.class_focal(logits, target, alpha=parameters['alpha'], gamma=parameters['gamma'],
                                           eps=parameters['log_eps'], rewards_wrong=True)
        return parameters['dice_rate'] * dice + parameters['focal_rate'] * focal
    if kind == 'dice_boundary':
        boundary = pixel_criteria.boundary_f(logits, target, **width)
        return parameters['dice_rate'] * dice + parameters['boundary_rate'] * boundary
    raise ValueError(f'loss {kind!r} is not known')


def losses(case, dtype):
    target, got = tensor(case.inputs['target'], 'int64'), {}
    for name, setting in case.settings['losses'].items():
        logits = tensor(case.inputs['logits'], dtype).requires_grad_()
        value = loss_of(setting, {**setting, **setting.get('parameters', {})}, logits, target)
        value.backward()
        got[name] = value.detach().numpy()
        got[f'{name}_grad'], got[f'{name}_grad_norm'] = logits.grad.numpy(), logits.grad.norm().numpy()
    return got


def train_steps(case, dtype):
    """Steps of the recorded optimiser; reference names of parameters are turned into ours.

    Adam turns the rounding of small gradients into whole steps: a case without a tolerance for float32 is meant for the
    type that it was recorded in, and is run in it.
    """
    settings, inputs = case.settings, case.inputs
    dtype = dtype if dtype in case.tolerance else case.run['dtype']
    model = _network.load_network(settings, _network.source_of(case), dtype)
    _, rules = _network.build_network(settings)
    model.train()
    ours = {theirs: rename(theirs, rules)[0] for theirs in case.state_dict()}
    parameters = dict(model.named_parameters())
    known = {theirs: parameters[name] for theirs, name in ours.items() if name in parameters}
    groups: list[list[str]] = [[] for _ in settings['parameter_groups']]
    for theirs in known:
        place = next((i for i, row in enumerate(settings['parameter_groups'])
                      if re.fullmatch(row['pattern'], theirs)), None)
        if place is not None:
            groups[place].append(theirs)
    options, schedule = settings['optimizer'], settings['schedule']
    optimizer = torch.optim.AdamW(
        [dict(params=[known[name] for name in names], weight_decay=row['weight_decay'])
         for names, row in zip(groups, settings['parameter_groups'], strict=True)],
        lr=options['lr'], betas=tuple(options['betas']), eps=options['eps'], amsgrad=options['amsgrad'])
    scheduler = PolyIterationLR(optimizer, power=schedule['power'], eta_min=schedule['min_lr'],
                                end=schedule['total_iterations'])
    start = {theirs: value.detach().clone() for theirs, value in known.items()}
    rows, got = tensor(inputs['supervised_rows'], 'int64'), dict(loss=[], lr=[], grad_norm=[], moved=[])
    for step in range(settings['steps']):
        mask = f'text_mask{step}'
        named = dict(image=f'image{step}', text_mask=mask if mask in inputs else 'text_mask')
        frames = _network.clips_of(settings, inputs, named, dtype)
        text = _network.text_of(model, inputs, named, dtype, ids=f'ids{step}')
        logits = model.forward_clip(frames, text, torch.arange(len(frames))).flatten(0, 1)[rows]
        loss = loss_of(settings['loss'], settings['loss'], logits, tensor(inputs[f'target{step}'], 'int64'))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        got['loss'].append(loss.item())
        got['lr'].append(optimizer.param_groups[0]['lr'])
        got['grad_norm'].append([float(torch.stack([known[name].grad.norm() for name in names
                                                    if known[name].grad is not None]).norm()) for names in groups])
        without = sorted(theirs for theirs, value in known.items() if value.grad is None)
        optimizer.step()
        scheduler.step()
        got['moved'].append([sum(float((known[name].detach() - start[name]).abs().sum()) for name in names)
                             for names in groups])
    out = {name: np.asarray(value) for name, value in got.items()}
    state = model.state_dict()
    for name in case.output_names:
        if name.startswith('after_'):
            out[name] = state[ours[name.removeprefix('after_')]].numpy()
    out['final_bn_tracked'] = next(v for k, v in state.items() if k.endswith('num_batches_tracked')).numpy()
    out['group_tensors'] = np.asarray([len(names) for names in groups])
    out['group_elements'] = np.asarray([sum(known[name].numel() for name in names) for names in groups])
    out['no_decay_names'], out['parameters_without_gradient'] = sorted(groups[0]), without
    return out


def adapt(case, dtype):
    """Bias tables and patch kernels of pretrained files."""
    got = {}
    for name, row in case.settings['conversions'].items():
        value, kind = tensor(case.inputs[row['input']], case.run['dtype']), row['type']
        if kind in ('resize_bias_table', 'inflate_bias_table'):
            size = row['window_size']
            got[name] = fit_bias_table(value, tuple(size) if isinstance(size, list) else (1, size, size)).numpy()
        elif kind in ('inflate_patch_embed', 'sum_patch_embed'):  # our patch kernels have no axis of time
            got[name] = sum_over_time(value)[:, :, None].numpy()
        else:
            raise ValueError(f'conversion {kind!r} is not known')
    return got


def claims(case):
    """The handler of a case, told by what it holds."""
    if case.kind == 'loss' and 'losses' in case.settings:
        return losses
    if case.kind == 'train_step' and 'parameter_groups' in case.settings:
        return train_steps
    return adapt if case.kind == 'conversion' and 'conversions' in case.settings else None
