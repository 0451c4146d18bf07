"""Transforms of a whole clip: sampling, loading, geometry, colour, text, packing."""

from mmlvs.datasets.transforms.compose import ClipTransform, Compose, RandomBranchClip
from mmlvs.datasets.transforms.formatting import LabelObjects, PackClip
from mmlvs.datasets.transforms.geometry import MarkVisible, RandomCropClip, RandomFlipClip, RandomResizeClip, ResizeClip
from mmlvs.datasets.transforms.loading import LoadFrames, LoadMasks
from mmlvs.datasets.transforms.photometric import PhotometricDistortClip
from mmlvs.datasets.transforms.pseudo_clip import DrawExpression, PseudoClip, RepeatFrame
from mmlvs.datasets.transforms.sampling import (
    DrawKeyFrames,
    SampleClip,
    SampleLocalGlobalFrames,
    SampleSpreadFrames,
    SampleWindow,
)
from mmlvs.datasets.transforms.streams import LoadLookAhead, LoadStream
from mmlvs.datasets.transforms.text import CleanText

__all__ = [
    'CleanText',
    'ClipTransform',
    'Compose',
    'DrawExpression',
    'DrawKeyFrames',
    'LabelObjects',
    'LoadFrames',
    'LoadLookAhead',
    'LoadMasks',
    'LoadStream',
    'MarkVisible',
    'PackClip',
    'PhotometricDistortClip',
    'PseudoClip',
    'RandomBranchClip',
    'RandomCropClip',
    'RandomFlipClip',
    'RandomResizeClip',
    'RepeatFrame',
    'ResizeClip',
    'SampleClip',
    'SampleLocalGlobalFrames',
    'SampleSpreadFrames',
    'SampleWindow',
]
