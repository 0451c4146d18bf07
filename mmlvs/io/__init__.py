"""Images, videos, masks, atomic files; in modules of their own: ``checkpoint``, ``conversion`` of foreign weights,
optical ``flow`` and its files."""

from mmlvs.io.atomic import atomic_path, write_bytes, write_json, write_text
from mmlvs.io.images import grey_levels, open_image
from mmlvs.io.masks import decode_rle, encode_rle, pascal_palette, read_index_png, write_index_png, write_mask_png
from mmlvs.io.video import iter_frames, list_frame_files, read_frames, write_video

__all__ = [
    'atomic_path', 'decode_rle', 'encode_rle', 'grey_levels', 'iter_frames', 'list_frame_files', 'open_image',
    'pascal_palette', 'read_frames', 'read_index_png', 'write_bytes', 'write_index_png', 'write_json',
    'write_mask_png', 'write_text', 'write_video',
]
