_base_ = [
    '../_base_/models/referformer_video-swin-t.py', '../_base_/datasets/refcoco.py',
    '../_base_/schedules/referformer_12e.py', '../_base_/default_runtime.py'
]

model = dict(text_encoder=dict(frozen=False), data_preprocessor={{_base_.padded_test}})
