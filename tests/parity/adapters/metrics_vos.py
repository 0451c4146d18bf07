"""Zero-shot video object segmentation: J and F as the Isomer script and both DAVIS 2017 tasks report them."""
import cv2
import numpy as np
from parity import UnknownCase

from mmlvs.evaluation.functional import davis


def _options(protocol: dict) -> dict:
    return dict(skip=protocol['skip'], threshold=protocol['recall_threshold'], bins=protocol['decay_bins'],
                toolkit_exact=protocol['decay_edge_dtype'] == 'uint8')


def _pairs(case, dtype: str) -> dict:
    """J and F of single mask pairs, once for each column of the record."""
    out = {}
    for name in case.inputs['pairs']:
        scores = dict(zip('JF', davis.frame_scores(case.inputs[f'{name}/pred'], case.inputs[f'{name}/gt'],
                                                   tolerance=case.settings['bound_th']), strict=True))
        out[name] = [scores[column.rsplit('_', 1)[1]] for column in case.settings['columns']]
    return out


def _series(case, dtype: str) -> dict:
    """Statistics of given score series, a row for each protocol."""
    out = {}
    for name in case.inputs['series']:
        rows = [davis.series_statistics(case.inputs[name], **_options(case.settings['protocols'][row]))
                for row in case.settings['rows']]
        out[name] = [[getattr(row, column) for column in case.settings['columns']] for row in rows]
    return out


def _binary(case, video: str, protocol: dict) -> tuple[np.ndarray, np.ndarray]:
    prediction, truth = case.inputs[f'{video}/pred'], case.inputs[f'{video}/gt']
    if protocol['resize_pred'] and prediction.shape != truth.shape:
        if (protocol['resize_pred'], protocol['resize_backend']) != ('bilinear', 'cv2'):
            raise UnknownCase(f'resize {protocol["resize_pred"]!r} of {protocol["resize_backend"]!r}')
        size = truth.shape[:0:-1]  # (W, H)
        prediction = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR) for frame in prediction])
    return prediction > protocol['pred_above'], truth > protocol['gt_above']


def _statistics(rows, protocol: dict, columns: list) -> np.ndarray:
    found = [davis.series_statistics(row, **_options(protocol)) for row in rows]
    return np.asarray([[getattr(row, column) for column in columns] for row in found])


def _isomer(case, protocol: dict) -> dict:
    out, columns = {}, case.settings['statistics']
    scores = {video: np.stack(davis.track_scores(*_binary(case, video, protocol), tolerance=protocol['bound_th']))
              for video in case.inputs['videos']}  # (2, T)
    out |= {f'isomer/per_frame/{video}': rows.T for video, rows in scores.items()}
    for head in (0, 1):
        for tail in (0, 1):
            videos = []
            for rows in scores.values():
                kept = rows.copy()
                kept[:, :head] = np.nan
                kept[:, kept.shape[1] - tail:] = np.nan
                videos.append(_statistics(kept, protocol, columns))
            start = f'isomer/head{head}_tail{tail}'
            out |= {f'{start}/videos': np.stack(videos), f'{start}/average': np.mean(videos, axis=0)}
    all_frames = out['isomer/head0_tail0/average'][:, columns.index('mean')]
    out['isomer/script'] = [round(float(value), protocol['round_script']) for value in all_frames]
    return out


def _sequences(case, dtype: str) -> dict:
    """A small data set under each protocol of the settings."""
    if case.settings['measures'] != ['J', 'F']:
        raise UnknownCase(f'measures {case.settings["measures"]}: expected J, F')
    out = {}
    for name, protocol in case.settings['protocols'].items():
        if name == 'isomer':
            out |= _isomer(case, protocol)
            continue
        task = name.split('/')[-1]
        rows = []
        for video in case.inputs['davis_videos']:
            prediction, truth = _binary(case, video, protocol)
            scores = davis.evaluate_sequence(prediction.astype(np.uint8), truth.astype(np.uint8), task=task,
                                             drop_first_and_last=False, max_proposals=protocol.get('max_proposals'),
                                             tolerance=protocol['bound_th'])
            rows += [_statistics(pair, protocol, case.settings['statistics'])
                     for pair in zip(scores.j, scores.f, strict=True)]
        out[name] = np.stack(rows)
    return out


def run(case, dtype: str) -> dict:
    """Outputs of one case, told apart by the list of names that it carries.

    Raises:
        UnknownCase: none of the known lists is there.
    """
    for name, handler in (('pairs', _pairs), ('series', _series), ('videos', _sequences)):
        if name in case.inputs:
            return handler(case, dtype)
    raise UnknownCase(f'case {case.case!r}: expected an input pairs, series or videos, found {sorted(case.inputs)}')
