"""Pictures of what the model predicts while it is validated or tested."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.hooks import Hook

from mmlvs.registry import HOOKS
from mmlvs.structures import VideoSegDataSample


@HOOKS.register_module()
class ClipVisualizationHook(Hook):
    """Writes a contact sheet per clip: truth where known and prediction, a strip for each expression.

    Sheets of the first validated videos go to ``<work dir>/<run>/vis_data/val_step<N>/``; when testing, sheets of
    every clip go to
    ``test_dir`` if it is set.

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
        for sample in outputs[:max(0, self.num_videos - self._shown)]:
            self._shown += 1
            self._write(folder, sample)

    def after_test_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if self.test_dir is None:
            return
        for sample in outputs:
            self._write(Path(self.test_dir), sample)

    def _write(self, folder: Path, sample: VideoSegDataSample) -> None:
        if sample.num_expressions == 0:
            return
        from mmlvs.visualization import write_contact_sheet

        meta = sample.metainfo
        name = f'{meta["video_id"]}_clip{meta["clip"]["index"]:03d}_{"-".join(meta["expression_ids"])}'[:120]
        write_contact_sheet(folder / f'{name.replace("/", "_")}.png', sheet_rows(sample), columns=self.columns,
                            cell_height=self.cell_height, title=str(meta['video_id']))


def sheet_rows(sample: VideoSegDataSample) -> list:
    """Rows of a contact sheet from a predicted sample, whose frames are read again from their files."""
    from mmlvs.io.video import read_frames
    from mmlvs.visualization import SheetRow

    meta = sample.metainfo
    frames = np.concatenate([read_frames(meta['frame_paths'][t]) for t in sample.pred_frames])
    texts = list(meta.get('texts') or [''] * sample.num_expressions)
    has_truth = 'gt_masks' in sample
    return [SheetRow(text=text, frames=frames, prediction=sample.pred_masks[n].cpu().numpy(),
                     target=sample.target(n)[sample.pred_frames].cpu().numpy() if has_truth else None)
            for n, text in enumerate(texts)]
