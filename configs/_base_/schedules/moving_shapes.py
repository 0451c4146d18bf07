# Small runs by iterations; a config sets their number (train_cfg.max_iters), and the rate over time.
train_cfg = dict(type='IterBasedTrainLoop', val_interval=100000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    constructor='StrictOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4, fused=True),
    clip_grad=dict(max_norm=1.0, norm_type=2))

val_evaluator = dict(type='JFMetric', prefix='valid')
test_evaluator = dict(type='JFMetric', prefix='test', group_by=['clue_type'], baselines=['largest', 'random', 'all'])
