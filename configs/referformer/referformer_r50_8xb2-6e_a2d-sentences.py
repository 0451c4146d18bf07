_base_ = [
    '../_base_/models/referformer_r50.py', '../_base_/datasets/a2d_sentences.py',
    '../_base_/schedules/referformer_6e.py', '../_base_/default_runtime.py'
]

# Starts from the pre-training on images; the class heads start anew.
model = dict(
    candidates=True,
    data_preprocessor={{_base_.padded_test}},
    init_cfg=dict(
        type='PretrainedExcept', checkpoint='pretrained/referformer_r50_pretrain.safetensors',
        skip=[r'class_heads\..*']))
