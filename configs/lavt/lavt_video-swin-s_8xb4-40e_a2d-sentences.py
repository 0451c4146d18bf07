_base_ = [
    '../_base_/models/lavt_video-swin-s.py', '../_base_/datasets/a2d_sentences_480.py',
    '../_base_/schedules/lavt_40e.py', '../_base_/default_runtime.py'
]

model = dict(mask_space='network')
optim_wrapper = dict(optimizer=dict(lr=6e-5))
