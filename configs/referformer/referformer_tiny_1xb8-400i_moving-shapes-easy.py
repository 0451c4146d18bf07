# The quickstart: learns to find coloured shapes by their look in a few minutes on a CPU.
_base_ = ['../_base_/models/referformer_tiny.py', '../_base_/datasets/moving_shapes.py', '../_base_/default_runtime.py']

train_cfg = dict(type='IterBasedTrainLoop', max_iters=400, val_interval=1000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
train_dataloader = dict(batch_size=8, num_workers=1, sampler=dict(infinite=True))
val_dataloader = dict(num_workers=0)
test_dataloader = dict(num_workers=0, dataset=dict(split='valid'))

optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4), clip_grad=dict(max_norm=1.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=20, end=400),
]

val_evaluator = dict(type='JFMetric', prefix='valid', baselines=['largest', 'random', 'all'])
test_evaluator = dict(type='JFMetric', prefix='test', group_by=['clue_type'], baselines=['largest', 'random', 'all'])
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(by_epoch=False, interval=200),
    visualization=dict(num_videos=0))
log_processor = dict(by_epoch=False, window_size=20)
