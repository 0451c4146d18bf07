# Learns in minutes on a CPU which of several shapes moves by itself; flow by DIS.
_base_ = [
    '../_base_/models/isomer_tiny.py', '../_base_/datasets/moving_shapes_zero_shot.py',
    '../_base_/schedules/moving_shapes.py', '../_base_/iterations_runtime.py'
]
max_iters = 1500
_vars_ = ['max_iters']
model = dict(criterion=dict(weight_dice=1.0))

train_cfg = dict(max_iters=max_iters)
train_dataloader = dict(sampler=dict(infinite=True))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=30),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=30, end=max_iters),
]

val_evaluator = dict(_delete_=True, type='SaliencyMetric', soft_truth=False, prefix='valid')
test_evaluator = dict(_delete_=True, type='SaliencyMetric', soft_truth=False, prefix='test')
default_hooks = dict(checkpoint=dict(interval=250))
find_unused_parameters = True  # an image may be all foreground or all background
