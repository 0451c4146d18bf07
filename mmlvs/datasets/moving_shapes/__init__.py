"""Moving shapes, the embedded data set: a seeded generator of small videos with sentences.

Files, from small to whole: `scene` (objects and their paths), `render` (masks and pictures), `truth` (single clues,
decided with margins), `expressions` (minimal sets of clues and their wording), `video` (one video), `generate` (the
data set on disk), `kinds` (further sentences).
"""

from mmlvs.datasets.moving_shapes.generate import format_statistics, generate
from mmlvs.datasets.moving_shapes.kinds import write_kinds
from mmlvs.datasets.moving_shapes.scene import MovingShapesSettings
from mmlvs.datasets.moving_shapes.video import ShapesVideo, make_video

__all__ = ['MovingShapesSettings', 'ShapesVideo', 'format_statistics', 'generate', 'make_video', 'write_kinds']
