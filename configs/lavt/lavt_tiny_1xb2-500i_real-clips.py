# Overfits four real clips: an arithmetic check of the path of real data, not a result.
_base_ = ['../_base_/models/lavt_tiny.py', '../_base_/datasets/real_clips.py', '../_base_/default_runtime.py']

max_iters = 500
_vars_ = ['max_iters']
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
train_dataloader = dict(batch_size=2)

optim_wrapper = dict(
    constructor='StrictOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=50, end=max_iters),
]

val_evaluator = dict(type='JFMetric', prefix='train-clips')
test_evaluator = dict(type='JFMetric', prefix='train-clips')
default_hooks = dict(
    logger=dict(interval=50), checkpoint=dict(by_epoch=False, interval=250), visualization=dict(num_videos=0))
log_processor = dict(by_epoch=False, window_size=50)
