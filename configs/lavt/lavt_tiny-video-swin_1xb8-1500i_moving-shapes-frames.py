# First stage of the video form: single frames of both levels, as in the pre-training on images.
_base_ = './lavt_tiny_1xb8-3400i_moving-shapes-frames.py'

max_iters = 1500

model = dict(
    type='LAVTVideo',
    backbone=dict(
        swin=dict(
            _delete_=True, type='VideoSwinBackbone', embed_dim=32, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8),
            window_size=(8, 7, 7), drop_path_rate=0.0, out_norm=True),
        fusion=dict(variant='separable', kernels=dict(temporal=(3, 3, 3)), attended='separable', fused='separable')),
    text_encoder=dict(config=dict(num_hidden_layers=2)))
# Norms are over the frames of a clip: it is tested as it is trained, frame by frame.
val_dataloader = dict(batch_size=8, dataset=dict(clip_length=1))
test_dataloader = dict(batch_size=8, dataset=dict(clip_length=1))

train_cfg = dict(max_iters=max_iters, val_interval=750)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=1e-4, by_epoch=False, begin=50, end=max_iters),
]
