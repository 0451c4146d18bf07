"""Data sets: annotation formats to items. They know files and no model."""

from mmlvs.datasets import transforms
from mmlvs.datasets.base import Expression, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.categories import REF_YOUTUBE_VOS_CATEGORIES, category_number
from mmlvs.datasets.concat import ConcatVideoDataset
from mmlvs.datasets.mask_sources import FrameMasks, IndexPNG, MaskSource
from mmlvs.datasets.ref_youtube_vos import RefYouTubeVOSDataset
from mmlvs.datasets.samplers import ClipIndex, ClipSampler, VideoSampler

__all__ = [
    'REF_YOUTUBE_VOS_CATEGORIES',
    'ClipIndex',
    'ClipSampler',
    'ConcatVideoDataset',
    'Expression',
    'FrameMasks',
    'IndexPNG',
    'MaskSource',
    'RefYouTubeVOSDataset',
    'VideoExpressionDataset',
    'VideoRecord',
    'VideoSampler',
    'category_number',
    'transforms',
]
