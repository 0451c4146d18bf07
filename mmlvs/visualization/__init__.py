"""Pictures of results: overlays, contact sheets, curves."""

from mmlvs.visualization.contact_sheet import SheetRow, contact_sheet, spread, write_contact_sheet
from mmlvs.visualization.curves import plot_curves, read_scalars, smooth
from mmlvs.visualization.item_sheet import item_panel, write_item_sheet
from mmlvs.visualization.overlay import add_caption, dim, mask_colors, overlay_masks, overlay_video, spotlight
from mmlvs.visualization.saliency import heat_colors, heat_scale, overlay_saliency

__all__ = [
    'SheetRow', 'add_caption', 'contact_sheet', 'dim', 'heat_colors', 'heat_scale', 'item_panel', 'mask_colors',
    'overlay_masks', 'overlay_saliency', 'overlay_video', 'plot_curves', 'read_scalars', 'smooth', 'spotlight',
    'spread', 'write_contact_sheet', 'write_item_sheet',
]
