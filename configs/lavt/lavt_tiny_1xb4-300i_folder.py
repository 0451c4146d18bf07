# Own images or videos with sentences (docs/en/lavt.md): a small LAVT that a CPU trains from nothing in a few minutes.
# It learns the words of the JSON files.
_base_ = ['../_base_/models/lavt_tiny.py', '../_base_/datasets/folder.py', '../_base_/default_runtime.py']

max_iters = 300
_vars_ = ['max_iters']
model = dict(criterion=dict(_delete_=True, type='ClassDice', focal=1.0))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    constructor='StrictOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=20, end=max_iters),
]

val_evaluator = dict(type='IoUMetric', convention='lavt', prefix='valid')
test_evaluator = dict(type='IoUMetric', convention='lavt', prefix='test')
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(by_epoch=False, interval=100), visualization=dict(num_videos=0))
log_processor = dict(by_epoch=False, window_size=20)
