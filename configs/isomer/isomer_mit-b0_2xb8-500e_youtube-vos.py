_base_ = [
    '../_base_/models/isomer_mit-b0.py', '../_base_/datasets/youtube_vos.py', '../_base_/schedules/isomer_500e.py',
    '../_base_/default_runtime.py'
]

optim_wrapper = dict(optimizer=dict(weight_decay=5e-4), paramwise_cfg=dict(_delete_=True))  # decay on everything
val_evaluator = dict(soft_truth=False)
test_evaluator = [
    dict(type='SaliencyMetric', protocol='isomer', soft_truth=False, weighted=False, prefix='isomer'),
    dict(type='SaliencyMetric', protocol='standard', soft_truth=False, zvos=False, prefix='standard'),
]
default_hooks = dict(
    checkpoint=dict(type='StageCheckpointHook', interval=5, save_best='valid/J&F', rule='greater'))
