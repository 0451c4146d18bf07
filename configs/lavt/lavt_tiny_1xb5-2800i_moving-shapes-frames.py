# Single frames of the full level of moving shapes: looks, places and relations, after `..._moving-shapes-names.py`.
# Motion does not show in them, so that sentences about it are left out.
#   python tools/dataset_converters/make_shape_kinds.py data/moving-shapes-full --name looks --most 2 \
#       --types appearance position relation
# and the same with `--split valid --most 0` and `--split test --most 0` for the sentences that are scored.
_base_ = ['../_base_/models/lavt_tiny.py', '../_base_/datasets/moving_shapes.py', '../_base_/default_runtime.py']

load_from = 'work_dirs/lavt_tiny_1xb8-600i_moving-shapes-names/iter_600.pth'

max_iters = 2800
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
looks = dict(expressions='meta_expressions/{split}/looks.json', without={})
_vars_ = ['max_iters', 'short_side', 'looks']

# Shapes are small: Dice sees them. Relations need the words' order and some thought at the level of objects.
model = dict(
    backbone=dict(swin=dict(depths=(2, 2, 4, 2))),
    text_encoder=dict(config=dict(num_hidden_layers=2)),
    criterion=dict(_delete_=True, type='ClassDice', focal=1.0))

train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=500)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# All expressions of a video are asked together: sentences differ where pixels do not.
train_dataloader = dict(
    batch_size=5, num_workers=1, sampler=dict(infinite=True),
    dataset=dict(
        data_root='data/moving-shapes-full', layout=looks, unit='video', clip_length=1, stride=3,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=4, num_workers=0,
    dataset=dict(
        data_root='data/moving-shapes-full', layout=looks, clip_length=8, limit=20, pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=4, num_workers=0,
    dataset=dict(
        data_root='data/moving-shapes-full', split='test', layout=looks, clip_length=8, pipeline=test_pipeline))

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4, fused=True), clip_grad=dict(max_norm=1.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=100, end=max_iters),
]

val_evaluator = dict(type='JFMetric', prefix='valid', group_by=['clue_type'])
test_evaluator = dict(type='JFMetric', prefix='test', group_by=['clue_type'], baselines=['largest', 'random', 'all'])
default_hooks = dict(
    logger=dict(interval=50), checkpoint=dict(by_epoch=False, interval=500), visualization=dict(num_videos=0))
log_processor = dict(by_epoch=False, window_size=50)
