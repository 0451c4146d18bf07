# The quickstart with a Swin transformer of MMDetection. Needs the full stack: pip install -r requirements/full.txt
_base_ = './referformer_tiny_1xb8-640i_moving-shapes-easy.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='FrameBackbone',
        network=dict(
            type='mmdet.SwinTransformer', embed_dims=32, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8),
            drop_path_rate=0.0),
        out_channels=(32, 64, 128, 256)))
