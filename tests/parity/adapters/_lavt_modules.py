"""Parity of LAVT's modules alone: pixel-word attention in all its variants, what it was compared with, a decoder."""

import importlib.util
from pathlib import Path

import numpy as np
import torch

from mmlvs.io.conversions.lavt import PIXEL_WORD_RULES, VLT_RULES
from mmlvs.models.decoders import VLTDecoder
from mmlvs.models.layers.pixel_word_attention import PixelWordAttention
from mmlvs.registry import MODELS
from mmlvs.utils import record_taps

_spec = importlib.util.spec_from_file_location('parity_adapter_lavt_network_parts',
                                               Path(__file__).with_name('_lavt_network.py'))
_network = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_network)
tensor = _network.tensor

IMAGE_PARTS = dict(vis='visual', query='query', lang='attended', out='')


def run_module(settings, inputs, source, dtype, named):
    """A fusion module on its input: output (B, P, C), and outputs of its parts by our names."""
    flags, x = settings['flags'], tensor(inputs[named.get('x', 'x')], dtype)
    setting, name = _network.fusion_setting(flags, settings['pwam_heads'], settings.get('pwam_dropout', 0.0), True)
    module = MODELS.build(dict(**setting, channels=settings['channels'], text_channels=settings['text_channels']))
    _network.load(module, source, PIXEL_WORD_RULES[name], dtype)
    if x.ndim == 3:  # B P C -> B 1 h w C
        grid = settings.get('grid') or (1, x.shape[1])
        x = x.unflatten(1, (1, *grid))
    parts = {}
    for part, child in module.named_modules():
        child.register_forward_hook(lambda _, __, out, part=part: parts.__setitem__(part, out))
    words = tensor(inputs[named.get('text', 'text')], dtype).transpose(1, 2)  # B C L -> B L C
    with torch.no_grad():
        out = module(x, words, tensor(inputs[named.get('text_mask', 'text_mask')], 'bool'))
        if isinstance(module, PixelWordAttention):
            parts['key'] = _network.keys_of(module, words)
    return out.flatten(1, 3).numpy(), parts, name


def modules(case, dtype):
    """One module, or one for every variant."""
    got = {}
    for name, own in case.settings.get('variants', {'': {}}).items():
        settings = {**case.settings, **own}
        source = _network.source_of(case, f'{name}.' if name else '')
        out, parts, kind = run_module(settings, case.inputs, source, dtype, own.get('inputs', {}))
        got[name or 'out'] = out
        for output, ours in IMAGE_PARTS.items() if kind == 'image' else ():
            value = parts[ours].flatten(1, 3)
            got[f'{name}_{output}' if name else output] = (
                value.transpose(1, 2) if output in ('vis', 'query') else value).numpy()
        for output, ours in _network.FUSION_CHILDREN['separable'].items() if kind == 'separable' else ():
            part = parts.get(f'{ours}.0', parts.get(ours))
            if part is not None:
                got[f'{name}_{output}' if name else output] = _network.channels_first(output, part).numpy()
    return got


@torch.no_grad()
def vlt_decoder(case, dtype):
    settings, inputs = case.settings, case.inputs
    own = ('text_channels', 'num_queries', 'num_heads', 'encoder_layers', 'decoder_layers', 'feedforward_channels',
           'dropout')
    decoder = VLTDecoder(in_channels=settings['channels'][::-1], grid=settings['img_size'] // 16,
                         channels=settings['d_model'], **{name: settings[name] for name in own})
    _network.load(decoder, _network.source_of(case), VLT_RULES, dtype)
    maps = [tensor(inputs[name], dtype) for name in ('c2', 'c3', 'c4')]
    words, mask = tensor(inputs['text'], dtype).transpose(1, 2), tensor(inputs['text_mask'], 'bool')
    with record_taps() as taps:
        logits = decoder(maps, words, mask)
    got = dict(taps, logits=logits)
    for name in ('query_generation', 'transformer_fusion'):
        got[name] = got[name].transpose(0, 1)  # B Q C -> Q B C
    got['query_balancing'] = got['query_balancing'].transpose(1, 2)  # B Q C -> B C Q
    return {name: np.asarray(value) for name, value in got.items()}


def claims(case):
    """The handler of a case, told by what it holds."""
    if case.kind != 'module':
        return None
    if {'c2', 'c3', 'c4'} <= set(case.inputs):
        return vlt_decoder
    return modules if 'pwam_heads' in case.settings else None
