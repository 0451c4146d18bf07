"""Data sets: annotation formats to items. They know files and no model."""

from mmlvs.datasets import transforms
from mmlvs.datasets.a2d_sentences import A2DSentencesDataset
from mmlvs.datasets.base import Expression, VideoExpressionDataset, VideoRecord
from mmlvs.datasets.categories import REF_YOUTUBE_VOS_CATEGORIES, category_number
from mmlvs.datasets.concat import ConcatVideoDataset
from mmlvs.datasets.davis import DAVIS16Dataset, DAVIS17Dataset
from mmlvs.datasets.flow import VideoFlowDataset
from mmlvs.datasets.folder import FolderDataset
from mmlvs.datasets.jhmdb_sentences import JHMDBSentencesDataset
from mmlvs.datasets.locater_sets import LocaterDataset
from mmlvs.datasets.long_rvos import LongRVOSDataset
from mmlvs.datasets.mask_sources import (
    A2DMasks,
    CocoMasks,
    FrameMasks,
    IndexPNG,
    MaskSource,
    PuppetMasks,
    TensorMasks,
)
from mmlvs.datasets.mevis import MeViSDataset
from mmlvs.datasets.png_masks import ForegroundPNG, ObjectPNG
from mmlvs.datasets.ref_davis import RefDAVISDataset
from mmlvs.datasets.ref_youtube_vos import RefYouTubeVOSDataset
from mmlvs.datasets.refcoco import RefCOCODataset
from mmlvs.datasets.revos import ReVOSDataset
from mmlvs.datasets.rle_masks import RLEMasks
from mmlvs.datasets.samplers import ClipIndex, ClipSampler, VideoSampler
from mmlvs.datasets.youtube_vos import YouTubeVOSDataset
from mmlvs.datasets.zero_shot import ZeroShotDataset

__all__ = [
    'REF_YOUTUBE_VOS_CATEGORIES',
    'A2DMasks',
    'A2DSentencesDataset',
    'ClipIndex',
    'ClipSampler',
    'CocoMasks',
    'ConcatVideoDataset',
    'DAVIS16Dataset',
    'DAVIS17Dataset',
    'Expression',
    'FolderDataset',
    'ForegroundPNG',
    'FrameMasks',
    'IndexPNG',
    'JHMDBSentencesDataset',
    'LocaterDataset',
    'LongRVOSDataset',
    'MaskSource',
    'MeViSDataset',
    'ObjectPNG',
    'PuppetMasks',
    'RLEMasks',
    'ReVOSDataset',
    'RefCOCODataset',
    'RefDAVISDataset',
    'RefYouTubeVOSDataset',
    'TensorMasks',
    'VideoExpressionDataset',
    'VideoFlowDataset',
    'VideoRecord',
    'VideoSampler',
    'YouTubeVOSDataset',
    'ZeroShotDataset',
    'category_number',
    'transforms',
]
