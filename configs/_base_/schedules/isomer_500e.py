# Pre-training: 500 epochs on 2 GPUs with 8 frames each, constant rate, no clipping; validated every 5 epochs, the best
# checkpoint by J&F is the one to go on from. Norms, but not batch norms and the context's, and tables of relative
# positions have no weight decay.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=500, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='StrictOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys={
        'norm': dict(decay_mult=0.0), 'relative_position_bias_table': dict(decay_mult=0.0)}))
find_unused_parameters = True  # with scatter='none' the semantic fusion has parameters that nothing trains
