"""Parity of LAVT's networks with recorded numbers: whole, and one small network for every option."""

import numpy as np
import torch

from mmlvs.io.conversion import Keep, convert_state_dict
from mmlvs.io.conversions.backbones import TOKENIZER_KEPT
from mmlvs.io.conversions.lavt import LTS_RULES, lavt_rules
from mmlvs.models.segmentors import LAVT, LAVTVideo
from mmlvs.models.text_encoders import TextFeatures
from mmlvs.utils import record_taps

SWIN = ('embed_dim', 'depths', 'num_heads', 'mlp_ratio', 'qkv_bias', 'patch_norm', 'drop_path_rate')
KERNEL_FLAGS = dict(temporal='conv3d_kernel_size_t', spatial='conv3d_kernel_size_s', inner='conv3d_kernel_size_sq')
TIME_FLAGS = ('ts_pwam', 't_pwam', 't_pwam_comp', 'sep_t_pwam', 'sep_t_pwam_inner', 'seq_t_pwam', 'sep_seq_t_pwam',
              'sep_seq_t_pwam_inner')
VARIANTS = dict(zip(TIME_FLAGS[1:], ('temporal', 'temporal_all', 'separable', 'separable_query', 'sequential',
                                     'sequential_parallel', 'sequential_parallel_query'), strict=True))
GATES = dict(default='tanh', no_gate='add', none='none')
NORMS = dict(IN='instance', BN='batch', LN='layer', none='none')
EMPTY_VOCABULARY = dict(type='WordTokenizer', max_size=5)


def tensor(value, dtype):
    return torch.as_tensor(np.asarray(value), dtype=getattr(torch, dtype))


def source_of(case, prefix=''):
    """Weights of a case whose names start with a prefix, without it."""
    return {name.removeprefix(prefix): torch.from_numpy(np.asarray(value))
            for name, value in case.state_dict().items() if name.startswith(prefix)}


def load(module, source, rules, dtype):
    """Fill a module strictly; counters and the vocabulary keep their values."""
    keep = (TOKENIZER_KEPT, Keep(r'.*\.num_batches_tracked', 'integers are built, not filled', zeros=True))
    outcome = convert_state_dict(source, rules, module.state_dict(), keep)
    state = {name: value for name, value in outcome.state_dict.items() if name not in outcome.kept}
    module.load_state_dict({**module.state_dict(), **state})
    return module.to(getattr(torch, dtype)).eval()


def fusion_setting(flags, heads, dropout, clip):
    """Settings of the fusion module that flags describe, and the name of its rules.

    ``clip``: whether the flags of modules over time count.
    """
    if flags.get('gacd'):
        return dict(type='CollectDiffuse'), 'collect_diffuse'
    if flags.get('efn'):
        return dict(type='CoAttention'), 'co_attention'
    chosen = next((name for name in TIME_FLAGS if clip and flags.get(name)), None)
    if chosen is None and flags.get('fuse', 'default') == 'simple':
        return dict(type='SentenceProduct', dropout=dropout), 'sentence'
    common = dict(num_heads=heads, dropout=dropout)
    one = tuple(flags.get('conv3d_kernel_size', (3, 1, 1)))
    if chosen == 'ts_pwam':
        reduce = 'sum' if flags.get('tspwam_sum') else 'frame' if flags.get('cat_reduce_3') else 'linear'
        return dict(type='PairedPixelWordAttention', **common, kernel=one, reduce=reduce,
                    attended='temporal' if flags.get('w_3x3') else 'point',
                    fused='temporal' if flags.get('mm_3x3') else 'point'), 'paired'
    if chosen is None:
        norm = NORMS[flags.get('att_norm_layer_type', 'IN')]
        return dict(type='PixelWordAttention', **common, norm=norm), 'image'
    variant = VARIANTS[chosen]
    defaults = dict(temporal=(3, 1, 1), spatial=(1, 1, 1), inner=(1, 3, 3))
    kernels = {name: tuple(flags.get(flag, defaults[name])) for name, flag in KERNEL_FLAGS.items()}
    if variant in ('temporal', 'temporal_all'):
        kernels['temporal'] = one
    setting = dict(type='PixelWordAttention', **common, variant=variant, kernels=kernels)
    if variant.startswith('seq'):
        setting['residual'] = bool(flags.get('res'))
    if variant == 'separable':
        for ours, theirs in (('attended', 'w'), ('fused', 'mm')):
            kinds = (('3x3', 'temporal'), ('3', 'frame'), ('t3x3_s1x1', 'separable'))
            setting[ours] = next((kind for flag, kind in kinds if flags.get(f'{theirs}_{flag}')), 'point')
        setting['gates'] = [f'{branch}_{part}' for branch in ('temporal', 'spatial') for part in ('visual', 'query')
                            if flags.get(f'{branch[0]}_tanh_plus_1_gate_1_{part[0]}')
                            or (part == 'visual' and flags.get(f'{branch[0]}_tanh_plus_1_gate_1_v'))]
        for by, flag in (('concat', 'sept_cat_reduce_kernel_size'), ('sum', 'sept_sum_3_kernel_size')):
            if flags.get(flag):
                setting['reduce'] = dict(by=by, kernel=tuple(flags[flag]))
                break
    return setting, variant


def swin_setting(settings, out_norm):
    common = {name: settings[name] for name in SWIN if name in settings}
    patch = settings['patch_size']
    common.update(patch_size=patch[-1] if isinstance(patch, list) else patch, out_norm=out_norm)
    window = settings['window_size']
    if settings['model'] == 'lavt_video':
        return dict(type='VideoSwinBackbone', window_size=window, **common)
    return dict(type='SwinBackbone', window_size=window, **common)


class FinerGrid(LAVTVideo):
    """The released video network, which leaves its logits as they are after two refining steps (quirk 20)."""

    def resize_logits(self, logits, size):
        return logits


def build_network(settings, criterion=None):
    """The network that settings of a case describe, and the rules of its weights."""
    flags, text = settings['flags'], settings['text_encoder']
    out_norm = [i in settings['out_indices'] for i in range(len(settings['depths']))]
    swin = swin_setting(settings, out_norm)
    numbers = {} if text is None else {name: value for name, value in text.items()
                                       if name not in ('type', 'pooler')}
    numbers = numbers or dict(vocab_size=8, hidden_size=settings['text_channels'], num_hidden_layers=0,
                              num_attention_heads=1, intermediate_size=1, max_position_embeddings=2)
    parts = dict(text_encoder=dict(type='BertTextEncoder', config=numbers, tokenizer=EMPTY_VOCABULARY),
                 criterion=criterion)
    if settings['model'] == 'lts':
        return LAVT(backbone=swin, decoder=dict(type='LTSDecoder'), **parts), lavt_rules(None, LTS_RULES)
    frames = settings['model'] != 'lavt_video'
    together = bool(flags.get('ytvos_2d_swin_3d_pwam'))
    heads = settings.get('pwam_heads', [1] * len(settings['depths']))
    fusions, names = zip(*(fusion_setting(flags, n, settings.get('pwam_dropout', 0.0), together or not frames)
                           for n in heads), strict=True)
    backbone = dict(
        type='LanguageAwareSwin', swin=swin, fusion=list(fusions), fuse_clip=together or not frames, keep_unused=True,
        true_offsets=False,
        gate='sigmoid' if flags.get('lg_act_layer') == 'sigmoid' else GATES[flags.get('version', 'default')],
        outputs='gated' if flags.get('hs') else 'visual' if flags.get('lazy_pred') else 'fused')
    if GATES[flags.get('version', 'default')] != 'tanh':
        backbone['gate'] = GATES[flags['version']]
    refine = (1 + bool(flags.get('seg_last'))) if flags.get('interpolate_before_seg') else 0
    width = settings['decoder_channels'] // 2
    decoder = dict(type='TopDownMaskDecoder', channels=width, refine=refine)
    kind = LAVT if frames and not together else FinerGrid if refine == 2 and not frames else LAVTVideo
    return kind(backbone=backbone, decoder=decoder, **parts), lavt_rules(names[0])


def load_network(settings, source, dtype, criterion=None):
    """A filled network. Where word features are an input, the text encoder is a stand-in that is not used."""
    model, rules = build_network(settings, criterion)
    if settings['text_encoder'] is None:
        spare = model.text_encoder.model.state_dict()
        source = {**source, **{f'text_encoder.{name}': value for name, value in spare.items()}}
    return load(model, source, rules, dtype)


def clips_of(settings, inputs, named, dtype):
    """Frames (B, T, 3, H, W) of the case."""
    if 'clip' in inputs and settings['model'] == 'lavt_video':
        return tensor(inputs['clip'], dtype).transpose(1, 2)  # B 3 T H W -> B T 3 H W
    image = tensor(inputs[named.get('image', 'image')], dtype)
    if settings['model'] == 'lavt_video':
        return image
    if settings['flags'].get('ytvos_2d_swin_3d_pwam'):
        rows = len(inputs[named.get('text_mask', 'text_mask')])
        return image.unflatten(0, (rows, -1))  # B*T 3 H W -> B T 3 H W
    return image[:, None]  # B 3 H W -> B 1 3 H W


def text_of(model, inputs, named, dtype, ids='ids'):
    mask = tensor(inputs[named.get('text_mask', 'text_mask')], 'bool')
    if ids in inputs:
        return model.text_encoder.encode(tensor(inputs[ids], 'int64'), mask)
    words = tensor(inputs[named.get('text', 'text')], dtype).transpose(1, 2)  # B C L -> B L C
    return TextFeatures(words=words, sentence=words[:, 0], mask=mask)


FUSION_CHILDREN = {
    'image': dict(vis_project='visual', image_lang_att='attended', project_mm='fused'),
    'separable': dict(temporal_vis_project='visual.branches.0', spatial_vis_project='visual.branches.1',
                      f_query_t='query.branches.0', f_query_s='query.branches.1', f_key='key', f_value='value',
                      W_t='attended.branches.0', W_s='attended.branches.1', project_mm_t='fused.branches.0',
                      project_mm_s='fused.branches.1')}


def keys_of(module, words):
    """Keys of words themselves, (B, L, C)."""
    return torch.nn.functional.linear(words, module.key.weight, module.key.bias)


def watch(module, children, prefix, got):
    """Record outputs of parts of a fusion module by their reference names."""
    parts = dict(module.named_modules())
    for theirs, ours in children.items():
        found = parts.get(ours)
        if ours == 'key':  # the module projects what words differ by
            module.register_forward_hook(
                lambda owner, args, _, name=prefix + theirs: got.__setitem__(name, keys_of(owner, args[1])))
            continue
        found = found[0] if isinstance(found, torch.nn.ModuleList) else found
        if found is not None:
            found.register_forward_hook(lambda _, __, out, name=prefix + theirs: got.__setitem__(name, out))


def channels_first(name, x):
    """Recorded layouts of a part's output: (B, L, C) and (B, T, h, w, C) with channels second; one frame flat."""
    if x.ndim == 3:
        return x.transpose(1, 2)
    if name.endswith('image_lang_att'):
        return x.flatten(1, 3)
    if name.endswith(('vis_project', 'project_mm')) and 'spatial' not in name and 'temporal' not in name:
        return x.flatten(1, 3).transpose(1, 2)
    return x.permute(0, 4, 1, 2, 3)


@torch.no_grad()
def network(case, dtype):
    settings, inputs = case.settings, case.inputs
    model = load_network(settings, source_of(case), dtype)
    children = {}
    if hasattr(model.backbone, 'fusions'):
        kind = 'separable' if settings['flags'].get('sep_t_pwam') else 'image'
        watch(model.backbone.fusions[0], FUSION_CHILDREN[kind], 's1_fusion_', children)
    frames = clips_of(settings, inputs, {}, dtype)
    with record_taps() as taps:
        text = text_of(model, inputs, {}, dtype)
        if not hasattr(model.backbone, 'fusions'):
            for i, x in zip(settings['out_indices'], model.backbone(frames)[-3:], strict=True):
                taps[f'c{i + 1}'] = x
        logits = model.forward_clip(frames, text, torch.arange(len(frames)))
    got = dict(text_features=text.words, logits=logits.flatten(0, 1))
    video = settings['model'] == 'lavt_video'
    for name, value in taps.items():
        if name == 'patch_embed':
            value = value.permute(0, 4, 1, 2, 3) if video else value.squeeze(1).permute(0, 3, 1, 2)
        elif name.startswith('s') and 'block' in name or name.endswith('downsample'):
            value = value if video else value.flatten(1, 3)
        elif name.endswith(('_fusion', '_gate')):
            value = value.flatten(1, 3)
        elif name.startswith('c') and name[1:].isdigit():
            value = value.flatten(0, 1)
        elif name == 'lang_gen' or name == 'lang_proj':
            value = value[:, None]
        got[name] = value
    got.update({name: channels_first(name, value) for name, value in children.items()})
    return {name: value.numpy() for name, value in got.items()}


@torch.no_grad()
def variants(case, dtype):
    """One network for every variant."""
    got = {}
    for name, own in case.settings['variants'].items():
        settings = {**case.settings, **own}
        model = load_network(settings, source_of(case, f'{name}.'), dtype)
        named = own.get('inputs', {})
        frames, text = clips_of(settings, case.inputs, named, dtype), text_of(model, case.inputs, named, dtype)
        with record_taps() as taps:
            logits = model.forward_clip(frames, text, torch.arange(len(frames)))
        got[f'{name}_low'], got[f'{name}_logits'] = taps['logits_low'].numpy(), logits.flatten(0, 1).numpy()
    return got


def claims(case):
    """The handler of a case, told by what it holds."""
    if case.kind != 'network' or 'embed_dim' not in case.settings:
        return None
    return variants if 'variants' in case.settings else network
