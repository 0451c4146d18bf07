_base_ = [
    '../_base_/models/isomer_mit-b0.py', '../_base_/datasets/zero_shot.py', '../_base_/schedules/isomer_500e.py',
    '../_base_/default_runtime.py'
]

train_cfg = dict(max_epochs=600)
optim_wrapper = dict(optimizer=dict(weight_decay=5e-4), paramwise_cfg=dict(_delete_=True))  # decay on everything
default_hooks = dict(
    checkpoint=dict(type='StageCheckpointHook', interval=5, save_best='valid/J&F', rule='greater'))
