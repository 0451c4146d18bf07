"""Isomer: fusion modules, head, whole network, one step of training."""
from contextlib import contextmanager

import numpy as np
import torch
from parity import UnknownCase

from mmlvs.io.conversion import convert_state_dict, rename
from mmlvs.io.conversions.isomer import CST_RULES, HEAD_RULES, ISOMER_RULES, KEPT, SGST_RULES
from mmlvs.models.decoders import IsomerHead
from mmlvs.models.layers import ContextSharingTransformer, SemanticGatheringScatteringTransformer
from mmlvs.models.losses import SaliencyCriterion
from mmlvs.models.segmentors import Isomer

SWIN_KEYS = ('embed_dim', 'depths', 'num_heads', 'window_size', 'patch_size', 'mlp_ratio', 'qkv_bias', 'patch_norm',
             'drop_path_rate')
MIT_KEYS = ('embed_dims', 'depths', 'num_heads', 'mlp_ratios', 'sr_ratios', 'patch_sizes', 'strides', 'qkv_bias',
            'drop_path_rate')
EPS_KEYS = ('norm_eps_blocks', 'norm_eps_stage', 'norm_eps_patch_embed', 'norm_eps_sr')


def _tensor(value, dtype):
    return torch.as_tensor(np.asarray(value), dtype=getattr(torch, dtype))


def _load(module, case, rules, dtype, keep=()):
    """Fill a module strictly with the case's weights."""
    source = {name: torch.from_numpy(np.asarray(value)) for name, value in case.state_dict().items()}
    outcome = convert_state_dict(source, rules, module.state_dict(), keep)
    module.load_state_dict({**module.state_dict(), **outcome.state_dict})
    return module.to(getattr(torch, dtype)).eval()


def _expect(settings, **wanted):
    """Raise where a case asks for something that there is no switch for."""
    for name, value in wanted.items():
        if settings.get(name, value) != value:
            raise UnknownCase(f'{name} is {settings[name]!r}; only {value!r} is known')


@contextmanager
def outputs_of(**modules):
    """Outputs of modules by name, while the block runs."""
    seen = {}
    hooks = [module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
             for name, module in modules.items()]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


# ------------------------------------------------------------------- settings


def backbone_setting(settings):
    """Our settings of ``case.settings['backbone']``."""
    _expect(settings, in_channels=3, drop_rate=0.0, attn_drop_rate=0.0)
    if settings['type'] == 'swin':
        _expect(settings, norm_eps=1e-5, absolute_pos_embed=False)
        return dict(type='SwinBackbone', out_norm=settings['out_norm'],
                    **{name: settings[name] for name in SWIN_KEYS if name in settings})
    if settings['type'] != 'mit':
        raise UnknownCase(f'backbone of type {settings["type"]!r}; known: swin, mit')
    eps = {name.removeprefix('norm_eps_'): settings[name] for name in EPS_KEYS if name in settings}
    return dict(type='MixTransformerBackbone', norm_eps=eps,
                **{name: settings[name] for name in MIT_KEYS if name in settings})


def cst_setting(settings):
    return dict(context_ratio=settings['gc_ratio'], ffn_ratio=settings['ffn_dim_ratio'],
                dropout=settings['fusion_module_dropout'], norm_eps=settings['fusion_norm_eps'])


def sgst_setting(settings, num_points):
    return dict(num_points=num_points, ffn_ratio=settings['ffn_dim_ratio'], num_heads=settings['num_attn_heads'],
                num_layers=settings['num_blocks'], threshold=settings['threshold'], scatter=settings['scatter'],
                dropout=settings['fusion_module_dropout'], norm_eps=settings['fusion_norm_eps'])


def head_setting(settings):
    _expect(settings, interpolate_mode='bilinear', align_corners=False)
    norm = dict(type='BN', eps=settings['bn_eps'], momentum=settings['bn_momentum'])
    return dict(channels=settings['embedding_dim'], dropout=settings['seghead_dropout'], norm_cfg=norm,
                square_upsampling=settings['square_upsampling'])


def build_network(settings, criterion=None):
    """The network that a case's settings describe."""
    _expect(settings, shared_backbone=False)
    branch = backbone_setting(settings['backbone'])
    context = dict(type='ContextSharingTransformer', **cst_setting(settings))
    semantic = [dict(type='SemanticGatheringScatteringTransformer', **sgst_setting(settings, settings[name]))
                for name in ('num_points', 'num_points_stage4')]
    return Isomer(backbone=dict(type='TwoStreamBackbone', appearance=branch, motion=branch),
                  fusions=[context, context, *semantic], decode_head=dict(type='IsomerHead', **head_setting(settings)),
                  criterion=criterion)


# ------------------------------------------------------------------- modules


@torch.no_grad()
def cst(case, dtype):
    (channels, ) = case.settings['feature_channels']
    module = _load(ContextSharingTransformer(channels=channels, **cst_setting(case.settings)), case, CST_RULES, dtype)
    x, y = (_tensor(case.inputs[name], dtype) for name in 'xy')
    context, ffn = module.context, module.ffn  # the record of channel_add_norm is what the in-place ReLU left of it
    with outputs_of(project=module.project, mask=context.conv_mask, channel_add_norm=context.channel_add_conv[1],
                    channel_add=context.channel_add_conv, gc_out=context, linear1=ffn.linear1, dwconv=ffn.dwconv,
                    ffn=ffn) as seen:
        seen['output'] = module(x, y)
    seen['attention'] = seen.pop('mask').flatten(2).softmax(-1)
    seen['context'] = context.spatial_pool(seen['project'].contiguous())
    for name, value in (('ffn_linear1', seen.pop('linear1')), ('ffn_out', seen.pop('ffn'))):
        seen[name] = value.flatten(1, 2).transpose(0, 1)  # B H W C -> H*W B C
    seen['ffn_dwconv'] = seen.pop('dwconv').flatten(2).permute(2, 0, 1)  # B C H W -> H*W B C
    return {name: value.numpy() for name, value in seen.items()}


@torch.no_grad()
def sgst(case, dtype):
    settings = case.settings
    (channels, ) = settings['feature_channels']
    module = SemanticGatheringScatteringTransformer(channels=channels, **sgst_setting(settings, settings['num_points']))
    _load(module, case, SGST_RULES, dtype)
    x, y = (_tensor(case.inputs[name], dtype) for name in 'xy')
    fused = module.project(torch.cat([x, y], dim=1))
    heat = module.heat(fused)
    got = dict(output=module(x, y), saliency_logit=module.heat_map(fused), heat=heat)
    chosen = module.choose(heat[0, 0])
    if not all(map(len, chosen)):  # the first image is of one class: its branches do not run
        return {name: value.numpy() for name, value in got.items()}
    weights = (heat[0, 0], 1 - heat[0, 0])
    for name, branch, index, weight in zip(('fg', 'bg'), module.branches, chosen, weights, strict=True):
        size = heat.shape[2:]
        place = torch.zeros(size.numel(), dtype=torch.bool).index_fill(0, index, True).view(1, 1, *size)
        queries = fused[0].flatten(1).t()[index]  # C H W -> N C
        got.update({f'{name}_index_0': place, f'{name}_queries_0': queries[:, None]})
        with outputs_of(soft=branch.soft_weights, attn=branch.attentions[-1]) as seen:
            tokens = branch.merge(fused[0] * weight)
            got[f'{name}_tokens_0'] = tokens[:, None]
            got[f'{name}_ffn_0'] = branch.update(queries, tokens)[:, None]
        got.update({f'{name}_soft_weights_0': seen['soft'], f'{name}_attn_0': seen['attn'][:, None]})
    return {name: value.numpy() for name, value in got.items()}


def _run_head(head, levels):
    concat = {}
    hook = head.fuse.register_forward_pre_hook(lambda _, args: concat.update(concat=args[0]))
    hook_in = head.refine.register_forward_pre_hook(lambda _, args: concat.update(project_in=args[0]))
    with outputs_of(fuse=head.fuse, project=head.refine) as seen:
        logits = head(levels)
    hook.remove()
    hook_in.remove()
    return dict(seen, **concat, logits=logits)


@torch.no_grad()
def decode_head(case, dtype):
    settings, got = case.settings, {}
    head = IsomerHead(in_channels=settings['feature_channels'], **head_setting(settings))
    _load(head, case, HEAD_RULES, dtype, KEPT)
    for variant in case.inputs['variants']:
        levels = [_tensor(case.inputs[f'{variant}_z{i}'], dtype) for i in range(len(settings['feature_channels']))]
        got.update({f'{variant}_{name}': value.numpy() for name, value in _run_head(head, levels).items()})
    return got


# ------------------------------------------------------------------- whole network


@torch.no_grad()
def network(case, dtype):
    model = _load(build_network(case.settings), case, ISOMER_RULES, dtype, KEPT)
    image, flow = (_tensor(case.inputs[name], dtype) for name in ('image', 'flow'))
    x, y = model.encode(image, flow)
    with outputs_of(**{f'project{i}': fusion.project for i, fusion in enumerate(model.fusions)}) as seen:
        z = model.fuse(x, y)
    head = _run_head(model.decode_head, z)
    got = {f'{name}_{i}': value for name, levels in zip('xyz', (x, y, z), strict=True)
           for i, value in enumerate(levels)}
    for i, fusion in enumerate(model.fusions):
        if isinstance(fusion, SemanticGatheringScatteringTransformer):
            got[f'heat_{i}'] = fusion.heat(seen[f'project{i}'])
    logits = model.forward_frames(image, flow)
    assert torch.equal(logits, head['logits'])
    got.update(decoder_fuse=head['fuse'], decoder_project=head['project'], logits=logits, logits_stats=torch.stack(
        [logits.mean(), logits.std(correction=0), logits.min(), logits.max(), logits.abs().sum()]))
    return {name: value.numpy() for name, value in got.items()}


def train_step(case, dtype):
    """One step in each mode from the same weights. Where a case gives no bound for float32, its gradients that are
    zero but for rounding are meant to be compared in float64, and are."""
    dtype = dtype if dtype in case.tolerance else 'float64'
    settings, got = case.settings, {}
    _expect(settings['loss'], type='bce_with_logits', reduction='mean')
    modes = case.run.get('mode', ['eval', 'train'])
    for mode in [modes] if isinstance(modes, str) else modes:
        criterion = SaliencyCriterion(weight_bce=settings['loss']['weight'])
        model = _load(build_network(settings, criterion), case, ISOMER_RULES, dtype, KEPT).train(mode == 'train')
        image, flow, target = (_tensor(case.inputs[name], dtype) for name in ('image', 'flow', 'target'))
        logits = model.forward_frames(image, flow)
        loss = sum(criterion(logits[:, 0], target[:, 0]).values())
        loss.backward()
        gradients = _reference_gradients(model, case)
        norms = np.array([float('nan') if gradients[name] is None else float(gradients[name].norm())
                          for name in case.inputs['param_names']])
        got.update({f'{mode}_loss': loss.detach().numpy(), f'{mode}_logits': logits.detach().numpy(),
                    f'{mode}_grad_norm': norms, f'{mode}_grad_log_norm': np.log(np.maximum(norms, 1e-9))})
        got.update({f'{mode}_grad/{name}': value.numpy() for name, value in gradients.items() if value is not None})
        if mode == 'train':
            buffers = dict(model.named_buffers())
            known = {rename(name, ISOMER_RULES)[0]: name for name in case.state_dict() if 'running_' in name}
            got.update({f'train_after/{theirs}': buffers[ours].numpy() for ours, theirs in known.items()})
    return got


def _reference_gradients(model, case):
    """Gradients by reference names, in the reference's shapes."""
    parameters, shapes = dict(model.named_parameters()), {n: v.shape for n, v in case.state_dict().items()}
    found = {}
    for name in case.inputs['param_names']:
        ours, rule = rename(name, ISOMER_RULES)
        grad = parameters[ours].grad
        found[name] = None if grad is None else grad.reshape(shapes[name])
        assert rule.change is None, f'{name}: its gradient would have to be turned back'
    return found


HANDLERS = dict(cst=cst, sgst=sgst, decode_head=decode_head, network=network, train_step=train_step)


def claims(case) -> str | None:
    """Which handler a case is for, told by its kind and settings."""
    if case.kind == 'module':
        return case.settings.get('module') if case.settings.get('module') in HANDLERS else None
    return case.kind if case.kind in ('network', 'train_step') and 'image' in case.inputs else None
