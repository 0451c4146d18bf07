"""Tracks of expressions: protocols mevis, revos, long_rvos, ref_davis and frame_folders."""
import importlib.util
from pathlib import Path

import numpy as np
from parity import UnknownCase
from PIL import Image
from pycocotools import mask as rle

from mmlvs.evaluation.functional import davis, tracks
from mmlvs.evaluation.writers import merge_scores

_spec = importlib.util.spec_from_file_location('parity_adapter_metrics_rvos_davis_rules',
                                               Path(__file__).with_name('_metrics_rvos_davis.py'))
_davis = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_davis)
FIXED = {k: v for k, v in _davis.FIXED.items() if k != 'unit'}
require, variants, tolerance = _davis.require, _davis.variants, _davis.tolerance


def _decode(entry, shape) -> np.ndarray:
    """Sum of the instances of one frame: an RLE, a list of them, or nothing."""
    entries = entry if isinstance(entry, list) else [entry]
    return sum((rle.decode(e) for e in entries if e is not None), np.zeros(shape, dtype=np.uint8))


def _truth(case, row: dict) -> np.ndarray:
    """(T, H, W) uint8, number of instances of a track's expression in each pixel."""
    if 'truth' in row:
        return case.inputs[row['truth']].astype(np.uint8)
    video = case.inputs['meta_expressions']['videos'][row['video']]
    shape, length = (video['height'], video['width']), len(video['frames'])
    out = np.zeros((length, *shape), dtype=np.uint8)
    for instance in video['expressions'][row['expression']]['anno_id']:
        for t, entry in enumerate(case.inputs['mask_dict'][str(instance)]):
            out[t] += _decode(entry, shape)
    return out


def _scores(case, row: dict, settings: dict) -> dict[str, float]:
    """Measures of one track: means over its frames."""
    measures = settings['measures']
    counts = _truth(case, row)
    if row.get('prediction') in case.inputs:
        prediction = case.inputs[row['prediction']]
    elif settings.get('missing_prediction') == 'zero_score':
        return dict.fromkeys(measures, 0.0)
    elif settings.get('missing_prediction') == 'zero_mask':
        prediction = np.zeros(counts.shape, dtype=bool)
    else:
        raise ValueError(f'track {row}: no prediction, and no rule for missing ones')
    j, f = davis.track_scores(prediction, counts > 0, tolerance=tolerance(settings))
    found = {'J': j.mean(), 'F': f.mean()}
    found['JF'] = (found['J'] + found['F']) / 2
    if 'tIoU' in measures or 'vIoU' in measures:
        found['tIoU'], found['vIoU'] = tracks.temporal_iou(prediction, counts, j,
                                                           empty_value=settings['temporal_empty_value'])
    if 'A' in measures:
        found['A'] = tracks.pixel_accuracy(prediction, counts).mean()
    if 'R' in measures:
        entries = case.inputs['mask_dict_foreground'][row['video']]['masks_rle']
        foreground = np.stack([_decode(entry, counts.shape[1:]) for entry in entries])
        found['R'] = tracks.robustness(prediction, counts, foreground, eps=settings['robustness_eps'],
                                       floor=settings['robustness_floor']).mean()
    return {name: float(found[name]) for name in measures}


def _means(rows: list[dict], settings: dict) -> dict[str, float]:
    out = {name: float(np.mean([row[name] for row in rows])) for name in settings['measures']}
    if 'JF' in out:
        out['JF'] = (out['J'] + out['F']) / 2
    return out


def expressions(case, dtype: str) -> dict:
    """Per expression, per group and over all, for every variant."""
    out = {}
    for prefix, settings in variants(case.settings).items():
        require(settings, {**FIXED, 'robustness_dtype': 'uint8', 'group_jf': 'mean_of_group_j_and_f'})
        rows = [_scores(case, row, settings) for row in case.inputs['tracks']]
        if settings['unit'] == 'percent':
            rows = [{name: 100 * value for name, value in row.items()} for row in rows]
        if 'round' in settings['average']:
            rows = [{name: round(value, settings['round_decimals']) for name, value in row.items()} for row in rows]
        out |= {f'{prefix}{name}_per_expression': [row[name] for row in rows] for name in settings['measures']}
        kept = rows
        if settings.get('result_key') == 'text':
            videos = case.inputs['meta_expressions']['videos']
            texts = [videos[t['video']]['expressions'][t['expression']]['exp'] for t in case.inputs['tracks']]
            kept = list(dict(zip(texts, rows, strict=True)).values())
        out[f'{prefix}entries'] = len(kept)
        if 'groups' not in settings:
            out |= {f'{prefix}{name}_mean': value for name, value in _means(kept, settings).items()}
            continue
        column = settings['group_by']
        parts = {group: [row for row, track in zip(rows, case.inputs['tracks'], strict=True) if track[column] == value]
                 for group, value in settings['groups'].items()}
        means = {group: _means(part, settings) for group, part in parts.items()}
        rules = {'mean_of_groups': list(means.values()), 'mean_of_expressions': [r for p in parts.values() for r in p]}
        means['overall'] = _means(rules[settings['overall']], settings)
        out |= {f'{prefix}{group}__{name}_mean': value for group, row in means.items() for name, value in row.items()}
    return out


def ref_davis(case, dtype: str) -> dict:
    """Merged index maps, the table of each annotator and the average of the tables."""
    out, tables = {}, {}
    for prefix, settings in variants(case.settings).items():
        require(settings, {'merge_threshold_closed': True, 'merge_tie': 'first', 'merge_dtype': 'float32'})
        decimals = settings['round_decimals'] if 'round' in settings['average'] else None
        for annotator in case.inputs['annotators']:
            sequences = []
            for name in case.inputs['sequences']:
                merged = merge_scores(case.inputs[f'{name}__{annotator}__scores'],
                                      threshold=settings['merge_score_threshold'],
                                      background=settings['merge_background'])
                out[f'{name}__{annotator}__{prefix}merged'] = merged
                sequences.append((merged, case.inputs[f'{name}__truth']))
            table = _davis.davis_table(sequences, settings)
            if decimals is not None:
                table = {key: np.round(value, decimals) for key, value in table.items()}
            tables[annotator] = table
            out |= {f'{annotator}__{prefix}{key}': value for key, value in table.items()}
        for key in ('JF_mean', 'J_mean', 'F_mean', 'J_statistics', 'F_statistics'):
            out[f'average__{prefix}{key}'] = np.mean([table[key] for table in tables.values()], axis=0)
    return out


def _index_maps(folder: Path, frames: list[str]) -> np.ndarray:
    return np.stack([np.asarray(Image.open(folder / frame)) for frame in frames])


def frame_folders(case, dtype: str) -> dict:
    """J and F on index PNGs below the data root."""
    root = case.data_root / case.settings['data_root']
    if not root.is_dir():
        root = case.data_root
    out, scores = {}, {}
    for clip in case.inputs['clips']:
        folders = [root / clip[f'{kind}_folder'] for kind in ('truth', 'prediction')]
        missing = [str(folder) for folder in folders if not folder.is_dir()]
        if missing:
            raise FileNotFoundError(f'{missing[0]} is not there; give the data directory with --data-root')
        truth, prediction = (_index_maps(folder, clip['frames']) for folder in folders)
        for index in clip['objects']:
            scores[clip['name'], index] = davis.track_scores(prediction == index, truth == index,
                                                             tolerance=tolerance(case.settings))
    for prefix, settings in variants(case.settings).items():
        require(settings, {**FIXED, 'foreground': 'index', 'assignment': 'same_index', 'void_index': None})
        if settings['boundary_tolerance'] != case.settings['boundary_tolerance']:
            raise UnknownCase('a variant of the boundary tolerance on frame folders')
        used = slice(1, -1) if settings['drop_first_and_last'] else slice(None)
        options = _davis.statistics_options(settings)
        for (clip, index), pair in scores.items():
            for name, values in zip('JF', pair, strict=True):
                start = f'{clip}__{index}__{prefix}{name}'
                out[start] = values[used]
                out[f'{start}_statistics'] = davis.series_statistics(values[used], **options)
        rows = [[davis.mean_of(values[used]) for values in scores[t['clip'], t['object']]]
                for t in case.inputs['tracks']]
        j, f = np.asarray(rows).T  # (tracks, 2) -> 2 x (tracks,)
        out |= {f'{prefix}J_per_expression': j, f'{prefix}F_per_expression': f, f'{prefix}J_mean': j.mean(),
                f'{prefix}F_mean': f.mean(), f'{prefix}JF_mean': (j.mean() + f.mean()) / 2}
    return out


PROTOCOLS = {'mevis': expressions, 'revos': expressions, 'long_rvos': expressions, 'ref_davis': ref_davis,
             'frame_folders': frame_folders}
