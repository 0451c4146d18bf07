"""IoU, P@K and COCO numbers: protocols a2d, refcoco_referformer, refcoco_lavt, locater and ciou_giou."""
import importlib.util
from pathlib import Path

import numpy as np
from parity import UnknownCase

from mmlvs.evaluation.functional import referring

_spec = importlib.util.spec_from_file_location('parity_adapter_metrics_rvos_davis_rules',
                                               Path(__file__).with_name('_metrics_rvos_davis.py'))
_davis = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_davis)
require, variants = _davis.require, _davis.variants

COCO_FIXED = {'coco_truth_area': 'area_field', 'coco_tie': 'first', 'coco_image_order': 'sorted_id',
              'missing_prediction': 'error', 'repeated_predictions': 'keep', 'candidate_rule': 'highest_score',
              'prediction_box_format': 'xyxy', 'truth_box_format': 'xywh', 'average': ['image'], 'unit': 'fraction'}
AREAS = {'mask': 'mask', 'bbox_third_times_fourth': 'box'}


def convention(settings: dict) -> referring.IoUConvention:
    """The small print of the settings."""
    return referring.IoUConvention(
        numerator_eps=settings['iou_numerator_eps'], denominator_eps=settings['iou_denominator_eps'],
        empty_value=settings['iou_empty_value'], dtype=settings['iou_dtype'],
        closed=settings.get('threshold_closed', True), threshold_dtype=settings.get('threshold_dtype', 'float64'),
        accumulate_dtype=settings['accumulate_dtype'], overall_eps=settings['overall_denominator_eps'],
        thresholds=tuple(settings.get('precision_thresholds', ())))


def candidates(ground_truth: dict, predictions: list, settings: dict, *, with_coco: bool) -> dict:
    """Everything that a list of candidates is scored by."""
    require(settings, COCO_FIXED)
    chosen, inter, union = referring.best_candidate_areas(ground_truth, predictions, of=settings['iou_of'],
                                                          tie=settings['candidate_tie'])
    found = referring.iou_summary(inter, union, convention(settings))
    out = {'precision': found.precision, 'mean_iou': found.mean_iou, 'overall_iou': found.overall_iou,
           'iou_per_image': found.iou, 'intersection_per_image': inter, 'union_per_image': union,
           'chosen_prediction': np.asarray(chosen) + 1}
    if with_coco:
        thresholds = settings['coco_iou_thresholds']
        usual = len(thresholds) == 10 and np.allclose(thresholds, np.linspace(0.5, 0.95, 10))
        out['coco_summary'] = referring.coco_summary(
            ground_truth, predictions, iou_type=settings['coco_iou_type'],
            use_categories=settings['coco_use_categories'], iou_thresholds=None if usual else thresholds,
            recall_points=settings['coco_recall_points'], max_detections=settings['coco_max_detections'],
            area_limits=settings['coco_area_limits'], prediction_area=AREAS[settings['coco_prediction_area']])
    return out


def coco(case, dtype: str) -> dict:
    """Sets of scored candidates, or the one set of the case, under every variant."""
    out = {}
    for name in case.inputs.get('sets', ['']):
        start = f'{name}__' if name else ''
        for prefix, settings in variants(case.settings).items():
            found = candidates(case.inputs[f'{start}ground_truth'], case.inputs[f'{start}predictions'], settings,
                               with_coco=settings['iou_of'] == 'mask')
            out |= {f'{start}{prefix}{key}': value for key, value in found.items()}
    return out


def pairs(case, dtype: str) -> dict:
    """(target, sentence) pairs of masks under every variant."""
    out = {}
    target_index, sentence = case.inputs['target_index'], case.inputs['sentence_index']
    inter, union = referring.mask_areas(case.inputs['predictions'], case.inputs['targets'][target_index])
    present = np.asarray(case.inputs.get('prediction_present', np.ones(len(inter))), dtype=bool)
    for prefix, settings in variants(case.settings).items():
        require(settings, {'missing_prediction': 'counts_in_mean_only', 'average': ['pair'], 'unit': 'fraction'})
        if settings['sentences'] not in ('all', 'first'):
            raise UnknownCase(f'sentences {settings["sentences"]!r}: expected all or first')
        used = np.ones(len(inter), dtype=bool) if settings['sentences'] == 'all' else sentence == 0
        found = referring.iou_summary(inter[used], union[used], convention(settings), present=present[used])
        values = {'mean_iou': found.mean_iou, 'overall_iou': found.overall_iou, 'gIoU': found.mean_iou,
                  'cIoU': found.overall_iou, 'iou_per_pair': found.iou, 'precision': found.precision}
        if len(found.precision):
            values['precision_mean'] = found.precision.mean()
        out |= {f'{prefix}{key}': value for key, value in values.items()}
    return out


PROTOCOLS = {'a2d': coco, 'refcoco_referformer': coco, 'refcoco_lavt': pairs, 'locater': pairs, 'ciou_giou': pairs}
