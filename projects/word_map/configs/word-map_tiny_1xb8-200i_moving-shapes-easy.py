# Trains in about a minute on a CPU. Everything but the model is the quickstart's.
_base_ = '../../../configs/referformer/referformer_tiny_1xb8-640i_moving-shapes-easy.py'
custom_imports = dict(imports=['projects.word_map'])

max_iters = 200
_vars_ = ['max_iters', 'text_encoder']
text_encoder = {{_base_.model.text_encoder}}
model = dict(
    _delete_=True,
    type='WordMap',
    data_preprocessor=dict(
        type='ClipDataPreprocessor', codec=dict(pad_divisor=4, mask_stride=4, way_back='crop_first')),
    text_encoder=text_encoder)

train_cfg = dict(max_iters=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=20, end=max_iters),
]
