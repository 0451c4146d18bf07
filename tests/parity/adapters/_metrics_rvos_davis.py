"""J and F of single tracks and the DAVIS 2017 evaluation: protocols davis_frame and davis_2017."""
import numpy as np
from parity import UnknownCase

from mmlvs.evaluation.functional import davis

FIXED = {  # conventions that every published evaluator of J and F shares; another value has no form here
    'iou_numerator_eps': 0, 'iou_denominator_eps': 0, 'iou_empty_value': 1, 'boundary_tolerance_rounding': 'ceil',
    'boundary_structure': 'disk', 'boundary_image_edge': False, 'boundary_both_empty_value': 1,
    'boundary_one_empty_value': 0, 'boundary_disjoint_value': 0, 'decay_limit_rounding': 'half_even',
    'nan_policy': 'omit', 'unit': 'fraction', 'object_ids': 'first_frame_maximum',
}


def require(settings: dict, fixed: dict) -> None:
    """Refuse a case whose settings ask for a convention that is not there."""
    for key, value in fixed.items():
        if key in settings and settings[key] != value:
            raise UnknownCase(f'settings.{key} = {settings[key]!r}: only {value!r} is known')


def tolerance(settings: dict) -> float:
    """Boundary tolerance as the functions read it: a share of the diagonal, or pixels from 1 on."""
    value, unit = settings['boundary_tolerance'], settings.get('boundary_tolerance_unit', 'diagonal')
    if (unit == 'pixel') != (value >= 1):
        raise UnknownCase(f'boundary_tolerance {value} in unit {unit!r}: shares are below 1, pixels 1 or more')
    return value


def statistics_options(settings: dict) -> dict:
    """Options of ``series_statistics`` that the settings name."""
    return dict(threshold=settings['recall_threshold'], closed=settings['recall_closed'], bins=settings['decay_bins'],
                toolkit_exact=settings.get('decay_limit_dtype') == 'uint8')


def variants(settings: dict) -> dict[str, dict]:
    """``{prefix of output names: settings}``: the default and every variant."""
    rows = settings.get('variants', {})
    return {'': settings, **{f'{name}__': {**settings, **changes} for name, changes in rows.items()}}


def davis_frame(case, dtype: str) -> dict:
    """J, F per frame and their statistics for each sequence and each variant of the boundary tolerance."""
    out = {}
    for name in case.inputs['sequences']:
        truth, prediction = case.inputs[f'{name}__truth'], case.inputs[f'{name}__prediction']
        void = case.inputs.get(f'{name}__void')
        for prefix, settings in variants(case.settings).items():
            require(settings, FIXED)
            start = f'{name}__{prefix}'
            j, f = davis.track_scores(prediction, truth, void=void, tolerance=tolerance(settings))
            options = statistics_options(settings)
            out |= {f'{start}J': j, f'{start}F': f,
                    f'{start}J_statistics': davis.series_statistics(j, **options),
                    f'{start}F_statistics': davis.series_statistics(f, **options),
                    f'{start}boundary_radius': davis.boundary_radius(truth.shape, tolerance(settings))}
            valid = np.ones(truth.shape, dtype=bool) if void is None else ~void
            for kind, masks in (('truth', truth), ('prediction', prediction)):
                out[f'{start}boundary_pixels_{kind}'] = [int(davis.boundary_map(m & v).sum())
                                                         for m, v in zip(masks, valid, strict=True)]
    return out


def davis_2017(case, dtype: str) -> dict:
    """Statistics over the objects of all sequences, for each task."""
    out = {}
    for prefix, settings in variants(case.settings).items():
        if 'assignment' not in settings:
            continue  # the tasks are variants; there is no default one
        out |= {f'{prefix}{name}': value for name, value in davis_table(
            [(case.inputs[f'{name}__prediction'], case.inputs[f'{name}__truth'])
             for name in case.inputs['sequences']], settings).items()}
    return out


def davis_table(sequences: list, settings: dict) -> dict:
    """The outputs of one data set of (prediction, truth) index maps under one task's settings."""
    require(settings, {**FIXED, 'missing_prediction': 'zero_mask', 'foreground': 'index'})
    tasks = {'maximum_mean_jf': 'unsupervised', 'same_index': 'semi-supervised'}
    if settings['assignment'] not in tasks or settings['void_index'] not in (None, davis.VOID_LABEL):
        raise UnknownCase(f'assignment {settings["assignment"]!r} with void_index {settings["void_index"]!r}')
    scores = [davis.evaluate_sequence(
        prediction, truth, task=tasks[settings['assignment']], ignore_void=settings['void_index'] is not None,
        drop_first_and_last=settings['drop_first_and_last'], max_proposals=settings.get('max_proposals'),
        surplus=settings.get('surplus_prediction'), tolerance=tolerance(settings)) for prediction, truth in sequences]
    options = statistics_options(settings)
    table = davis.dataset_scores(scores, **options)
    per_object = [np.concatenate(rows) for rows in zip(*(s.statistics(**options) for s in scores), strict=True)]
    out = {'JF_mean': table['J&F-Mean'], 'J_mean': table['J-Mean'], 'F_mean': table['F-Mean']}
    for name, rows in zip('JF', per_object, strict=True):
        out[f'{name}_statistics'] = [table[f'{name}-{k}'] for k in ('Mean', 'Recall', 'Decay')]
        out[f'{name}_statistics_per_object'] = rows
    return out


PROTOCOLS = {'davis_frame': davis_frame, 'davis_2017': davis_2017}
