# Own videos (docs/en/own_data.md): a small ReferFormer that a CPU trains from nothing in a few minutes.
_base_ = ['../_base_/models/referformer_tiny.py', '../_base_/datasets/folder.py', '../_base_/default_runtime.py']

max_iters = 300
_vars_ = ['max_iters']
# Masks come from what the sentence says, not from where a query looks, as in the quickstart.
model = dict(
    transformer=dict(decoder_layers=1),
    mask_head=dict(relative_coordinates=False),
    criterion=dict(weight_bbox=1.0, weight_giou=0.5))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=100)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    constructor='StrictOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-4),
    clip_grad=dict(max_norm=1.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=20, end=max_iters),
]

val_evaluator = dict(type='JFMetric', prefix='valid')
test_evaluator = dict(type='JFMetric', prefix='test')
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(by_epoch=False, interval=100), visualization=dict(num_videos=0))
log_processor = dict(by_epoch=False, window_size=20)
