# Moving shapes as single frames for training: looks do not change with time, so they teach most per second (as the
# pre-training of several methods on images). All expressions of a video are asked together: the backbone runs once, and
# sentences differ where pixels do not. Testing takes whole videos.
_base_ = './moving_shapes.py'
train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=1),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='RandomFlipClip', prob=0.5),
    dict(
        type='PhotometricDistortClip', brightness=12, contrast=(0.9, 1.1), saturation=(0.9, 1.1), hue=0,
        permute_channels=False, per_frame=False),
    dict(type='MarkVisible'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
train_dataloader = dict(
    num_workers=1, sampler=dict(infinite=True), dataset=dict(unit='video', clip_length=1, pipeline=train_pipeline))
val_dataloader = dict(num_workers=0)
test_dataloader = dict(num_workers=0)
