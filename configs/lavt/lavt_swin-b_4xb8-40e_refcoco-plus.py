_base_ = [
    '../_base_/models/lavt_swin-b.py', '../_base_/datasets/refcoco_480.py', '../_base_/schedules/lavt_40e.py',
    '../_base_/default_runtime.py'
]

train_dataloader = dict(dataset=dict(subset='refcoco+', split_by='unc'))
val_dataloader = dict(dataset=dict(subset='refcoco+', split_by='unc'))
test_dataloader = dict(dataset=dict(subset='refcoco+', split_by='unc'))
test_evaluator = dict(prefix='refcoco+')
default_hooks = dict(checkpoint=dict(save_best='valid/oIoU', rule='greater'))
