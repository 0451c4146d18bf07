# Fine-tuning on Ref-YouTube-VOS or A2D-Sentences: 6 epochs on 8 GPUs, rates dropped after epochs 3 and 5.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=6)
test_cfg = dict(type='TestLoop')

# Weight decay is for everything, norms and biases too. A frozen text encoder has no rate.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='StrictOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.5), 'text_encoder': dict(lr_mult=0.1)}),
    clip_grad=dict(max_norm=0.1, norm_type=2))
param_scheduler = dict(type='MultiStepLR', by_epoch=True, milestones=[3, 5], gamma=0.1)
