# LAVT: 40 epochs, one rate for all, poly decay in every iteration, no warm-up, no clipping. Weights, biases, the
# decoder with its batch norms and the text encoder with its LayerNorms decay; norms and tables of relative positions of
# the backbone do not. Frozen parts of the text encoder are named in the model.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=40)
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='StrictOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=5e-5, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys={
        'norm': dict(decay_mult=0.0), 'relative_position_bias_table': dict(decay_mult=0.0)}))
param_scheduler = dict(type='PolyIterationLR', power=0.9, by_epoch=True, convert_to_iter_based=True)
sync_bn = 'torch'  # statistics of the decoder's batch norms over all GPUs
