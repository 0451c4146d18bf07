"""Pixel-word attention and its alternatives."""

import pytest
import torch
import torch.nn.functional as F

from mmlvs.models.layers.clip_convolution import ClipConvolution, ClipNorm, ClipProjection, ProjectionPlan, WordMixture
from mmlvs.models.layers.pixel_word_attention import PixelWordAttention, for_rows, mean_word
from mmlvs.registry import MODELS

RELEASED = dict(variant='separable', kernels=dict(temporal=(3, 3, 3)), attended='separable', fused='separable')
KINDS = dict(image=dict(type='PixelWordAttention'), released=dict(type='PixelWordAttention', **RELEASED),
             paired=dict(type='PairedPixelWordAttention'), sentence=dict(type='SentenceProduct'),
             collect=dict(type='CollectDiffuse'), co_attention=dict(type='CoAttention', max_positions=10))


def make(name):
    torch.manual_seed(0)
    return MODELS.build(dict(channels=8, text_channels=6, **KINDS[name])).double().eval()


def inputs(rows=2, time=3, length=5):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(rows, time, 4, 6, 8, generator=generator, dtype=torch.float64)
    words = torch.randn(rows, length, 6, generator=generator, dtype=torch.float64)
    mask = torch.arange(length)[None] < torch.tensor([length, 3])[:, None]
    return x, words, mask


@pytest.mark.parametrize('kernel', [(1, 1, 1), (3, 1, 1), (1, 3, 3), (3, 3, 3)])
@pytest.mark.parametrize('time', [1, 4])
def test_a_convolution_is_torchs(kernel, time):
    conv = ClipConvolution(in_channels=8, out_channels=5, kernel=kernel).double()
    x = torch.randn(2, time, 4, 6, 8, dtype=torch.float64)
    want = F.conv3d(x.permute(0, 4, 1, 2, 3), conv.weight, conv.bias, padding=[n // 2 for n in kernel])
    torch.testing.assert_close(conv(x), want.permute(0, 2, 3, 4, 1))


@pytest.mark.parametrize('kernel', [(1, 1, 1), (3, 1, 1), (1, 3, 3), (3, 3, 3)])
@pytest.mark.parametrize('time', [1, 4])
def test_a_mixture_is_convolved_as_the_map_it_stands_for(time, kernel):
    """Two rows share the vectors of the first expression, two others those of the second."""
    conv = ClipConvolution(in_channels=8, out_channels=5, kernel=kernel).double()
    weights, vectors = torch.rand(4, time, 4, 6, 3, dtype=torch.float64), torch.randn(2, 3, 8, dtype=torch.float64)
    whole = torch.einsum('rthwm,rmc->rthwc', weights, vectors.repeat_interleave(2, dim=0))
    torch.testing.assert_close(conv(WordMixture(weights, vectors)), conv(whole))


@pytest.mark.parametrize('time', [1, 4])
def test_a_border_is_what_lies_outside(time):
    """Taking a vector off everywhere, outside too, changes a convolution by what an instance norm takes off."""
    conv = ClipConvolution(in_channels=8, out_channels=5, kernel=(3, 3, 3)).double()
    weights = torch.rand(2, time, 4, 6, 3, dtype=torch.float64).softmax(dim=-1)  # of sum 1
    vectors, shared = (torch.randn(2, n, 8, dtype=torch.float64) for n in (3, 1))
    difference = conv(WordMixture(weights, vectors)) - conv(WordMixture(weights, vectors - shared, -shared[:, 0]))
    torch.testing.assert_close(difference, difference[:, :1, :1, :1].expand_as(difference))


def test_norms_are_torchs():
    x = torch.randn(3, 2, 4, 5, 8, dtype=torch.float64)
    flat = x.flatten(1, 3).transpose(1, 2)  # B S C -> B C S
    got = ClipNorm(channels=8)(x).flatten(1, 3).transpose(1, 2)
    torch.testing.assert_close(got, F.instance_norm(flat))
    batch = ClipNorm(channels=8, kind='batch').double().train()
    torch.testing.assert_close(batch(x).flatten(1, 3).transpose(1, 2), F.batch_norm(flat, None, None, training=True))
    torch.testing.assert_close(ClipNorm(channels=8, kind='layer').double()(x), F.layer_norm(x, (8, )))
    assert ClipNorm(channels=8, kind='none')(x) is x


@pytest.mark.parametrize('name', KINDS)
def test_padding_words_do_not_matter_and_rows_do_not_mix(name):
    module = make(name)
    x, words, mask = inputs(time=1 if name == 'co_attention' else 3)
    with torch.no_grad():
        both = module(x, words, mask)
        assert both.shape == x.shape
        other = words.masked_fill(~mask[..., None], 99.0)
        torch.testing.assert_close(module(x, other, mask), both)
        torch.testing.assert_close(module(x[1:], words[1:, :3], mask[1:, :3]), both[1:])
        assert (module(x, words.flip(0), mask) - both).abs().max() > 1e-4


@pytest.mark.parametrize('name', ['image', 'sentence', 'collect', 'co_attention'])
def test_rows_that_share_an_expression(name):
    """Frames given as rows share the words of their clip."""
    module = make(name)
    x, words, mask = inputs()
    frames = x.flatten(0, 1)[:, None]  # B T h w C -> B*T 1 h w C
    with torch.no_grad():
        shared = module(frames, words, mask)
        repeated = module(frames, words.repeat_interleave(3, 0), mask.repeat_interleave(3, 0))
    torch.testing.assert_close(shared, repeated)


def test_a_frame_depends_on_the_others_of_its_clip():
    x, words, mask = inputs()
    for name in ('image', 'released'):  # through the norm over the clip, even where convolutions see one cell
        module = make(name)
        with torch.no_grad():
            whole, part = module(x, words, mask), module(x[:, :2], words, mask)
        assert (whole[:, 0] - part[:, 0]).abs().max() > 1e-3


@pytest.mark.parametrize('heads', [1, 2])
@pytest.mark.parametrize('name', ['image', 'released'])
def test_attention_by_the_formula(name, heads):
    module = make(name)
    module.num_heads = heads
    x, words, mask = inputs()
    with torch.no_grad():
        query = module.query(x)
        key, value = (layer(words) * mask[..., None] for layer in (module.key, module.value))
        query, key, value = (y.unflatten(-1, (heads, -1)) for y in (query, key, value))
        logits = torch.einsum('bthwnd,blnd->bthwnl', query, key) * 8**-0.5
        weights = logits.masked_fill(~mask[:, None, None, None, None], -torch.inf).softmax(-1)
        want = module.attended(torch.einsum('bthwnl,blnd->bthwnd', weights, value).flatten(-2))
        got = module.attended(module.gather(module.query(x), words, mask))
        torch.testing.assert_close(got, want)


def test_one_position_is_refused():
    module = make('image')
    with pytest.raises(ValueError, match='two positions.*larger images'):
        module(torch.zeros(1, 1, 1, 1, 8).double(), torch.zeros(1, 2, 6).double(), torch.ones(1, 2).bool())


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(num_heads=3), '3 heads'), (dict(variant='both'), "'both', expected one of"),
    (dict(gates=['temporal_query']), "for variant 'separable'"), (dict(kernels=dict(time=(3, 1, 1))), "'time'"),
    (dict(variant='separable', gates=['middle']), "'middle'"), (dict(fused='wide'), "'wide'"),
    (dict(variant='separable', reduce=dict(by='sum', size=3)), "'size'"), (dict(norm='group'), "'group'"),
    (dict(variant='temporal', kernels=dict(temporal=(2, 1, 1))), 'all odd'),
    (dict(variant='separable', reduce=dict(by='concat')), 'reduce_kernel')])
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        PixelWordAttention(channels=8, **settings)


def test_gates_and_residuals_of_a_projection():
    x = torch.randn(1, 2, 3, 3, 4)
    chain = ClipProjection(channels=4, plan=ProjectionPlan((((1, 1, 1), (3, 1, 1)), ), residual=True))
    first, second = chain.branches[0]
    torch.testing.assert_close(chain(x), second(first(x)) + first(x))
    gated = ClipProjection(channels=4, plan=ProjectionPlan((((1, 1, 1), ), ((1, 3, 3), )), gated=(False, True)))
    (a, ), (b, ) = gated.branches
    torch.testing.assert_close(gated(x), a(x) + gated.gates['1'](b(x)))


def test_mean_word_and_rows():
    words, mask = torch.arange(12.0).view(1, 3, 4), torch.tensor([[True, True, False]])
    torch.testing.assert_close(mean_word(words, mask), words[:, :2].mean(1))
    assert for_rows(torch.zeros(2, 4), torch.zeros(6, 1, 3, 3, 4)).shape == (6, 1, 1, 1, 4)
