# From scratch: pre-trained backbone and RoBERTa, nothing else.
_base_ = [
    '../_base_/models/referformer_video-swin-t.py', '../_base_/datasets/a2d_sentences.py',
    '../_base_/schedules/referformer_12e.py', '../_base_/default_runtime.py'
]

model = dict(candidates=True, data_preprocessor={{_base_.padded_test}}, transformer=dict(dropout=0.0))
optim_wrapper = dict(optimizer=dict(weight_decay=1e-4))
train_dataloader = dict(batch_size=1, dataset=dict(clip_length=6))
test_dataloader = dict(dataset=dict(clip_length=6))
