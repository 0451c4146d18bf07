"""Pictures of what the model predicts while it is validated or tested."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import Tensor

from mmlvs.registry import HOOKS
from mmlvs.structures import VideoSegDataSample


@HOOKS.register_module()
class ClipVisualizationHook(Hook):
    """Writes a contact sheet per clip: truth where known and prediction, a strip for each expression.

    Sheets of the first validated videos go to ``<work dir>/<run>/vis_data/val_step<N>/``; when testing, sheets of
    every clip go to ``test_dir`` if it is set. Samples with a soft map (``pred_soft``) also get strips of the frames,
    of their flow images where stream ``flow`` brings them, and of the map; grey levels of the truth are shown as such.

    Args:
        num_videos: validated clips shown (the first of rank 0's); 0 = none.
        columns: frames shown of a clip.
        cell_height: height of a shown frame in pixels.
        test_dir: folder for the sheets of a test.
    """

    priority = 'NORMAL'

    def __init__(self, *, num_videos: int = 3, columns: int = 6, cell_height: int = 96,
                 test_dir: str | None = None) -> None:
        self.num_videos, self.columns, self.cell_height, self.test_dir = num_videos, columns, cell_height, test_dir
        self._shown = 0

    def before_val_epoch(self, runner) -> None:
        self._shown = 0

    def after_val_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.rank != 0:
            return
        folder = Path(runner.log_dir, 'vis_data', f'val_step{runner.iter}')
        for number, sample in enumerate(outputs[:max(0, self.num_videos - self._shown)]):
            self._shown += 1
            self._write(folder, runner, sample, flow=_flow(data_batch, number))

    def after_test_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self.test_dir is None:
            return
        for number, sample in enumerate(outputs):
            self._write(Path(self.test_dir), runner, sample, flow=_flow(data_batch, number))

    def _write(self, folder: Path, runner, sample: VideoSegDataSample, *, flow: Tensor | None) -> None:
        if sample.num_expressions == 0 or not sample.pred_frames:
            return
        from mmlvs.visualization import write_contact_sheet

        meta = sample.metainfo
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        rows = sheet_rows(sample, columns=self.columns, flow=flow, threshold=getattr(model, 'mask_threshold', 128))
        place = f'clip{meta["clip"]["index"]:03d}'
        if sample.is_key_frame_item:  # a video has an item for each annotated frame
            place = f'frame{"-".join(str(meta["frame_ids"][t]) for t in sample.scored_frames)}'
        name = f'{meta["video_id"]}_{place}_{"-".join(meta["expression_ids"])}'[:120]
        write_contact_sheet(folder / f'{name.replace("/", "_")}.png', rows, columns=self.columns,
                            cell_height=self.cell_height, title=str(meta['video_id']))


def sheet_rows(sample: VideoSegDataSample, *, columns: int, flow: Tensor | None = None,
               threshold: int = 128) -> list:
    """Rows of a contact sheet from a predicted sample; the frames that will be shown are read again from their files.

    Args:
        sample: with ``pred_masks``, and with ``pred_soft`` for a saliency model.
        columns: frames shown; memory is that of so many frames, whatever the length of the clip.
        flow: (T, 3, h, w) uint8 or float in 0..1, flow images of the clip; shown with soft maps, once a clip.
        threshold: level of the soft map above which a pixel is foreground.
    """
    from mmlvs.datasets.frame_files import decode_frames
    from mmlvs.visualization import SheetRow, spread
    from mmlvs.visualization.item_sheet import to_pictures

    meta = sample.metainfo
    shown = spread(len(sample.pred_frames), columns).tolist()
    steps = [sample.pred_frames[k] for k in shown]
    decoded = decode_frames([meta['frame_paths'][t] for t in steps])
    frames = np.stack([decoded[str(meta['frame_paths'][t])] for t in steps])
    texts = list(meta.get('texts') or [''] * sample.num_expressions)
    soft, annotated = sample.get('pred_soft'), sample.get('gt_annotated')
    rows = []
    for n, text in enumerate(texts):
        extra = {} if soft is None else dict(
            soft=soft[n, shown].cpu().numpy(), threshold=threshold,
            flow=to_pictures(flow[steps]) if flow is not None and n == 0 else None,
            annotated=None if annotated is None else annotated[steps].cpu().numpy())
        rows.append(SheetRow(text=text, frames=frames, prediction=sample.pred_masks[n, shown].cpu().numpy(),
                             target=_truth(sample, n, steps), **extra))
    return rows


def _truth(sample: VideoSegDataSample, expression: int, steps: list[int]) -> np.ndarray | None:
    """Truth (K, H, W) of an expression in these frames: bool, or uint8 where a soft map is judged by grey levels."""
    if 'gt_masks' not in sample:
        return None
    levels = sample.gt_masks[:, steps][list(sample.gt_objects[expression])]  # O T H W -> its objects, K H W each
    if 'pred_soft' in sample and ((levels > 1) & (levels < 255)).any():
        return levels.amax(dim=0).cpu().numpy()
    return (levels > 0).any(dim=0).cpu().numpy()


def _flow(data_batch: Any, number: int) -> Tensor | None:
    """Flow images (T, 3, h, w) of one clip of a batch, if they came with it."""
    streams = (data_batch or {}).get('inputs', {}).get('flow')
    return streams[number] if streams is not None and len(streams[number]) else None
