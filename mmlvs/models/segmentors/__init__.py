"""One file a method."""

from mmlvs.models.segmentors.base import VideoSegmentor
from mmlvs.models.segmentors.isomer import Isomer
from mmlvs.models.segmentors.lavt import LAVT
from mmlvs.models.segmentors.lavt_video import LAVTVideo
from mmlvs.models.segmentors.per_clip_network import PerClipNetwork
from mmlvs.models.segmentors.referformer import ReferFormer

__all__ = ['LAVT', 'Isomer', 'LAVTVideo', 'PerClipNetwork', 'ReferFormer', 'VideoSegmentor']
