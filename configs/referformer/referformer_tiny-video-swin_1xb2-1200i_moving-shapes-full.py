# The longer run: appearance, position, motion and relation.
_base_ = [
    '../_base_/models/referformer_tiny-video-swin.py', '../_base_/datasets/moving_shapes.py',
    '../_base_/default_runtime.py'
]
max_iters = 1200
num_frames = 3
short_side = 96
data_root = 'data/moving-shapes-full'
train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=num_frames),
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
_vars_ = ['max_iters', 'short_side']

model = dict(criterion=dict(weight_bbox=1.0, weight_giou=0.5))

train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=600)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# All expressions of a video are asked together: the backbone runs once, and sentences differ where pixels do not.
train_dataloader = dict(
    batch_size=2, num_workers=1, sampler=dict(infinite=True),
    dataset=dict(data_root=data_root, unit='video', clip_length=num_frames, pipeline=train_pipeline))
val_dataloader = dict(num_workers=0, dataset=dict(data_root=data_root, limit=20, pipeline=test_pipeline))
test_dataloader = dict(num_workers=0, dataset=dict(data_root=data_root, split='valid', pipeline=test_pipeline))

optim_wrapper = dict(
    constructor='StrictOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1.5e-3, weight_decay=1e-3),
    clip_grad=dict(max_norm=1.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.05, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=100, end=max_iters),
]

val_evaluator = dict(type='JFMetric', prefix='valid', group_by=['clue_type'])
test_evaluator = dict(type='JFMetric', prefix='test', group_by=['clue_type'], baselines=['largest', 'random', 'all'])
default_hooks = dict(
    logger=dict(interval=50), checkpoint=dict(by_epoch=False, interval=250, save_best='valid/J&F', rule='greater'))
log_processor = dict(by_epoch=False, window_size=50)
