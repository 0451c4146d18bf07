"""Saliency from joint histograms against one pass over the pixels for every threshold."""
import warnings

import numpy as np
import pytest

from mmlvs.evaluation.functional.saliency import SALIENCY_NUMBERS, saliency_scores, saliency_summary
from tests.plain import scores as plain


def draw(rng, height, width, kind):
    if kind == 'noise':
        return rng.integers(0, 256, (height, width)).astype(np.uint8)
    if kind == 'blob':
        y, x = np.mgrid[:height, :width]
        away = ((y - rng.uniform(0, height)) / (height / 4 + 1))**2 + ((x - rng.uniform(0, width)) / (width / 4 + 1))**2
        return (np.exp(-away) * rng.integers(1, 256)).astype(np.uint8)
    if kind == 'constant':
        return np.full((height, width), rng.choice([0, 100, 255]), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    rows, columns = sorted(rng.integers(0, height + 1, 2)), sorted(rng.integers(0, width + 1, 2))
    mask[slice(*rows), slice(*columns)] = 255
    return mask


@pytest.mark.parametrize('protocol', ['standard', 'isomer'])
def test_equal_to_the_plain_form(protocol):
    rng, kinds = np.random.default_rng(0), ['noise', 'blob', 'constant', 'mask']
    for _ in range(60):
        size = rng.integers(2, 34, 2)
        pair = draw(rng, *size, rng.choice(kinds)), draw(rng, *size, rng.choice(kinds))
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            got = saliency_scores(*pair, protocol=protocol, weighted=True)
        with warnings.catch_warnings(), np.errstate(all='ignore'):
            warnings.simplefilter('ignore')
            want = plain.saliency_scores(*pair, protocol=protocol, weighted=protocol == 'standard')
        names = dict(mae='mae', f='f', e='e', structure='s')
        if protocol == 'standard':
            names |= dict(adaptive_f='adaptive_f', adaptive_e='adaptive_e', weighted_f='wf')
        for name, other in names.items():
            np.testing.assert_allclose(getattr(got, name), want[other], rtol=0, atol=1e-9, err_msg=name)


def test_data_set_numbers():
    rng = np.random.default_rng(1)
    videos = {name: [saliency_scores(draw(rng, 20, 30, 'blob'), draw(rng, 20, 30, 'mask'), weighted=True)
                     for _ in range(length)] for name, length in (('a', 3), ('b', 5))}
    found = saliency_summary(videos)
    assert tuple(found) == SALIENCY_NUMBERS
    rows = videos['a'] + videos['b']
    assert found['MAE'] == pytest.approx(np.mean([row.mae for row in rows]))
    assert found['maxF'] == pytest.approx(np.mean([row.f for row in rows], axis=0).max())
    assert found['maxF'] <= np.mean([row.f.max() for row in rows])
    per_video = saliency_summary(videos, protocol='isomer')  # first and last frame of each video left out
    assert per_video['MAE'] == pytest.approx(np.mean([videos['a'][1].mae, np.mean([r.mae for r in videos['b'][1:4]])]))


def test_what_is_refused():
    level = np.zeros((4, 5), np.uint8)
    with pytest.raises(ValueError, match='expected one of'):
        saliency_scores(level, level, protocol='other')
    with pytest.raises(ValueError, match='resize the prediction'):
        saliency_scores(level, level.T)
    with pytest.raises(ValueError, match='uint8 levels'):
        saliency_scores(level / 255, level)
    with pytest.raises(ValueError, match='no frame to score'):
        saliency_summary({'a': [saliency_scores(level, level)] * 2}, protocol='isomer')
