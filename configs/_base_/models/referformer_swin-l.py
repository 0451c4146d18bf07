_base_ = './referformer_r50.py'

model = dict(
    backbone=dict(
        _delete_=True, type='SwinBackbone', embed_dim=192, depths=(2, 2, 18, 2), num_heads=(6, 12, 24, 48),
        drop_path_rate=0.3, with_cp=True,
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/swin-l_imagenet.pth')))
