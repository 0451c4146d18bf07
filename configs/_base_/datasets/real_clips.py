# A few real videos in one folder each (<root>/<video>/{JPEGImages,Annotations}/<video>), trained and tested on the same
# frames: an arithmetic check that nothing on the path of real data is broken, never a result.
_vars_real_clips_ = ['data_root', 'layout', 'num_frames', 'short_side', 'train_pipeline', 'test_pipeline']
data_root = 'data/real_clips'
layout = dict(
    base='flat', frames='{video}/JPEGImages', masks='{video}/Annotations',
    only=['blackswan', 'car-shadow', 'camel', 'libby'])
num_frames = 3
short_side = 192

train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=num_frames),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=short_side),
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

train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='ClipSampler', shuffle=True, infinite=True),
    dataset=dict(
        type='RefYouTubeVOSDataset',
        data_root=data_root,
        layout=layout,
        unit='expression',
        clip_length=num_frames,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='RefYouTubeVOSDataset',
        data_root=data_root,
        layout=layout,
        unit='video',
        test_mode=True,
        with_masks=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
