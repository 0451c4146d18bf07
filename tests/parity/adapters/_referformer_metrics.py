"""ReferFormer's evaluation: A2D, JHMDB and RefCOCO numbers, and one DAVIS sequence."""
import dataclasses

import numpy as np

from mmlvs.evaluation.functional import davis, referring


def metrics_a2d(case, dtype: str) -> dict:
    """COCO numbers, P@K and IoU of ``predictions_a2d``, and of ``predictions_refcoco`` with boxes besides."""
    truth, settings = case.inputs['gt'], case.settings
    rule = dataclasses.replace(referring.CONVENTIONS['referformer'], thresholds=tuple(settings['precision_thresholds']))
    out = {}
    for name, kinds, area in (('a2d', {'mask': 'a2d'}, 'mask'),
                              ('refcoco', {'mask': 'refcoco_mask', 'box': 'refcoco_box'}, 'box')):
        if f'predictions_{name}' not in case.inputs:
            continue
        predictions = case.inputs[f'predictions_{name}']
        out[f'{name}_coco_stats'] = referring.coco_summary(
            truth, predictions, use_categories=settings['use_categories'], prediction_area=area)[:6]
        for kind, start in kinds.items():
            _, inter, union = referring.best_candidate_areas(truth, predictions, of=kind)
            found = referring.iou_summary(inter, union, rule)
            out |= {f'{start}_precision': found.precision, f'{start}_overall_iou': [found.overall_iou],
                    f'{start}_mean_iou': [found.mean_iou]}
    return out


def metrics_davis(case, dtype: str) -> dict:
    """Scores of matched pairs, their statistics, and the scores by index without matching and without void."""
    truth, prediction = case.inputs['gt'], case.inputs['pred']
    limit = case.settings['boundary_threshold']
    void = np.asarray(case.inputs['void'], dtype=bool) if 'void' in case.inputs else None
    matched = davis.evaluate_sequence(prediction, truth, void=void, tolerance=limit)
    plain = davis.evaluate_sequence(prediction, truth, task='semi-supervised', drop_first_and_last=False,
                                    surplus='removed', tolerance=limit)
    j, f = matched.statistics(toolkit_exact=True)
    return {'J': matched.j, 'F': matched.f, 'J_statistics': j, 'F_statistics': f, 'J_by_index': plain.j,
            'F_by_index': plain.f}


HANDLERS = {'metrics_a2d': metrics_a2d, 'metrics_davis': metrics_davis}


def claims(case) -> str | None:
    """Which handler fits a metric case under another folder name, told by its inputs."""
    if case.kind != 'metric':
        return None
    if {'gt', 'pred'} <= set(case.inputs):
        return 'metrics_davis'
    if 'gt' in case.inputs and any(name.startswith('predictions_') for name in case.inputs):
        return 'metrics_a2d'
    return None
