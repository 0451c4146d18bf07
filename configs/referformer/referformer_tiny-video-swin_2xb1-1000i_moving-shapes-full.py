# Second stage of the longer run: whole videos, after `..._moving-shapes-frames.py`. The backbone sees all 24 frames;
# what follows it costs most and learns from six of them.
_base_ = './referformer_tiny-video-swin_2xb5-3600i_moving-shapes-frames.py'
load_from = 'work_dirs/referformer_tiny-video-swin_2xb5-3600i_moving-shapes-frames/iter_3600.pth'

max_iters = 1000
key_frames = 6
train_pipeline = [
    dict(type='SampleClip', num_frames=24),
    dict(type='DrawKeyFrames', num_key_frames=key_frames),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side={{_base_.short_side}}),
    dict(type='RandomFlipClip', prob=0.5),
    dict(
        type='PhotometricDistortClip', brightness=12, contrast=(0.9, 1.1), saturation=(0.9, 1.1), hue=0,
        permute_channels=False, per_frame=False),
    dict(type='MarkVisible'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
_vars_ = ['max_iters', 'easy', 'full', 'key_frames']

# The mask losses of a clip are one term, divided by its frames: with T frames they weigh 1 / T of those of boxes.
# Frames of 112 pixels stay as they are; the first stage padded them to 128.
model = dict(
    query_choice='video',
    data_preprocessor=dict(codec=dict(pad_divisor=16)),
    criterion=dict(weight_mask=2.0 * key_frames, weight_dice=5.0 * key_frames))

train_cfg = dict(max_iters=max_iters, val_interval=250)
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        _delete_=True, type='RefYouTubeVOSDataset', data_root='data/moving-shapes-full', layout=dict(without={}),
        unit='video', clip_length=24, pipeline=train_pipeline))
val_dataloader = dict(batch_size=1, dataset=dict(clip_length=None))
test_dataloader = dict(batch_size=1, dataset=dict(clip_length=None))

# At 5e-4 two videos a step undo what single frames have taught (J&F 53 to 46 in 800 steps).
optim_wrapper = dict(optimizer=dict(lr=1e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=100, end=max_iters),
]
default_hooks = dict(
    checkpoint=dict(interval=250, save_best='valid/J&F', rule='greater'), visualization=dict(num_videos=3))
