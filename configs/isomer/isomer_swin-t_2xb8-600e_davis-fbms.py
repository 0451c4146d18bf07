# Fine-tuning as published: goes on from the best checkpoint of the pre-training, with its optimiser and epoch number,
# up to epoch 600 (train.py THIS --resume CHECKPOINT). Tests on DAVIS-16; released weights are tested with this config.
_base_ = [
    '../_base_/models/isomer_swin-t.py', '../_base_/datasets/zero_shot.py', '../_base_/schedules/isomer_500e.py',
    '../_base_/default_runtime.py'
]

train_cfg = dict(max_epochs=600)
default_hooks = dict(
    checkpoint=dict(type='StageCheckpointHook', interval=5, save_best='valid/J&F', rule='greater'))
