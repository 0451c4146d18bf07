# The full level of moving shapes as single frames: every third one of training videos, and 20 videos to validate on.
_base_ = './moving_shapes_frames.py'
_vars_full_frames_ = ['short_side']
data_root = 'data/moving-shapes-full'
short_side = 112  # four rows of windows at stride 4, none of them padded

train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=1),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=short_side),
    dict(type='RandomFlipClip', prob=0.5),
    dict(
        type='PhotometricDistortClip', brightness=12, contrast=(0.9, 1.1), saturation=(0.9, 1.1), hue=0,
        permute_channels=False, per_frame=False),
    dict(type='MarkVisible'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=short_side, resize_gt=False),
    dict(type='CleanText'),
    dict(type='PackClip'),
]

train_dataloader = dict(dataset=dict(data_root=data_root, stride=3, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, limit=20, pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(data_root=data_root, split='test', pipeline=test_pipeline))
