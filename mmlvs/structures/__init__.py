"""What travels through the house: samples, batches of clips, and the clip codec."""

from mmlvs.structures.clip_batch import ClipBatch
from mmlvs.structures.codec import ClipCodec
from mmlvs.structures.video_seg_data_sample import VideoSegDataSample

__all__ = ['ClipBatch', 'ClipCodec', 'VideoSegDataSample']
