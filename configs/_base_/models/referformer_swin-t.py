_base_ = './referformer_r50.py'

model = dict(
    backbone=dict(
        _delete_=True, type='SwinBackbone', embed_dim=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24),
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/swin-t_imagenet.pth')))
