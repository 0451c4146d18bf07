# Learns in minutes on a CPU which of several shapes moves by itself; flow by DIS.
_base_ = [
    '../_base_/models/isomer_tiny.py', '../_base_/datasets/moving_shapes_zero_shot.py', '../_base_/default_runtime.py'
]

max_iters = 1500
_vars_ = ['max_iters']
model = dict(criterion=dict(weight_dice=1.0))

train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=100000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
train_dataloader = dict(sampler=dict(infinite=True))

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4, fused=True), clip_grad=dict(max_norm=1.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=30, end=max_iters),
]

val_evaluator = dict(type='SaliencyMetric', soft_truth=False, prefix='valid')
test_evaluator = dict(type='SaliencyMetric', soft_truth=False, prefix='test')
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(by_epoch=False, interval=250), visualization=dict(num_videos=0))
log_processor = dict(by_epoch=False, window_size=20)
find_unused_parameters = True  # an image may be all foreground or all background
