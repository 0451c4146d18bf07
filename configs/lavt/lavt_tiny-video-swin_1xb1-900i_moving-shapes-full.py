# Second stage of the video form: whole videos, after `..._moving-shapes-frames.py`. The backbone sees all 24 frames,
# the decoder six of them.
_base_ = './lavt_tiny-video-swin_1xb8-1500i_moving-shapes-frames.py'
load_from = 'work_dirs/lavt_tiny-video-swin_1xb8-1500i_moving-shapes-frames/iter_1500.pth'

max_iters = 900
train_pipeline = [
    dict(type='SampleClip', num_frames=24),
    dict(type='DrawKeyFrames', num_key_frames=6),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=112),
    dict(type='RandomFlipClip', prob=0.5),
    dict(
        type='PhotometricDistortClip', brightness=12, contrast=(0.9, 1.1), saturation=(0.9, 1.1), hue=0,
        permute_channels=False, per_frame=False),
    dict(type='MarkVisible'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]

train_cfg = dict(max_iters=max_iters, val_interval=300)
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        _delete_=True, type='RefYouTubeVOSDataset', data_root='data/moving-shapes-full', layout=dict(without={}),
        unit='video', clip_length=24, pipeline=train_pipeline))
val_dataloader = dict(batch_size=1, dataset=dict(clip_length=None))
test_dataloader = dict(batch_size=1, dataset=dict(clip_length=None))

optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=20, end=max_iters),
]
