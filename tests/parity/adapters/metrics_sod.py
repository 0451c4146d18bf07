"""Saliency: frames and a data set by the protocols that the settings describe."""
import numpy as np
from parity import UnknownCase

from mmlvs.evaluation.functional.saliency import (
    SALIENCY_CONVENTIONS,
    SALIENCY_NUMBERS,
    SaliencyConvention,
    saliency_scores,
    saliency_summary,
)

NAMES = {'mae': 'MAE', **{name: name for name in SALIENCY_NUMBERS}}
CURVES = ('precision', 'recall', 'F', 'E')


def convention(settings: dict) -> SaliencyConvention:
    """The small print of a protocol; what its keys do not say follows from the reference that its type names."""
    known = {'float32': 'isomer', 'float64': 'standard'}
    if settings['dtype'] not in known or settings['num_thresholds'] != 256:
        raise UnknownCase(f'dtype {settings["dtype"]!r} with {settings["num_thresholds"]} thresholds')
    base = SALIENCY_CONVENTIONS[known[settings['dtype']]]
    limit = settings['gt_threshold_s']
    if settings.get('average_over', ['frame']) not in (['frame'], ['frame', 'video']):
        raise UnknownCase(f'average_over {settings["average_over"]}')
    if not settings.get('max_after_average', True):
        raise UnknownCase('maxima before averages')
    return SaliencyConvention(
        minmax=settings['minmax'], truth_above=settings['gt_threshold'],
        structure_from=int(np.ceil(limit * 255)) if 0 < limit < 1 else limit + 1,
        shifted=settings['threshold_dtype'] == 'float32', descending=settings['threshold_order'] == 'descending',
        beta2=settings['beta2'], alpha=settings['alpha'], weighted_beta=settings.get('wF_beta', 1.0), eps=base.eps,
        f_eps=base.f_eps, special_truth=base.special_truth, empty_below=settings['empty_gt_below'],
        centre_offset=settings['centroid_offset'], one_pixel_deviation=base.one_pixel_deviation,
        rounded_means=base.rounded_means,
        skip_first=settings.get('skip_first', 0), skip_last=settings.get('skip_last', 0),
        per_video=settings.get('average_over') == ['frame', 'video'])


def _row(numbers: dict, settings: dict) -> list[float]:
    unknown = set(settings['columns']) - set(NAMES)
    if unknown:
        raise UnknownCase(f'columns {sorted(unknown)}: known are {sorted(NAMES)}')
    return [numbers[NAMES[column]] for column in settings['columns']]


def run(case, dtype: str) -> dict:
    """Outputs of one case, told apart by the list of names that it carries.

    Raises:
        UnknownCase: neither pairs nor videos, or a protocol that has no form here.
    """
    out, inputs = {}, case.inputs
    if not {'pairs', 'videos'} & set(inputs):
        raise UnknownCase(f'case {case.case!r}: expected an input pairs or videos, found {sorted(inputs)}')
    for name, settings in case.settings['protocols'].items():
        rule, weighted = convention(settings), 'wF' in settings['columns']

        def score(prediction, truth, rule=rule, weighted=weighted):
            return saliency_scores(prediction, truth, protocol=rule, weighted=weighted)

        if 'pairs' in inputs:
            for pair in inputs['pairs']:
                scores = score(inputs[f'{pair}/pred'], inputs[f'{pair}/gt'])
                curves = (scores.precision, scores.recall, scores.f, scores.e)
                out |= {f'{name}/{pair}/{curve}': values for curve, values in zip(CURVES, curves, strict=True)}
                out[f'{name}/{pair}/scalars'] = _row(scores.numbers(), settings)
        else:
            videos = {video: [score(*frame) for frame in zip(inputs[f'{video}/pred'], inputs[f'{video}/gt'],
                                                             strict=True)] for video in inputs['videos']}
            out[f'dataset/{name}'] = _row(saliency_summary(videos, protocol=rule), settings)
    return out
