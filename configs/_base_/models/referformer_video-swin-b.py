_base_ = './referformer_r50.py'

model = dict(
    backbone=dict(
        _delete_=True, type='VideoSwinBackbone', embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32),
        drop_path_rate=0.2, with_cp=True,
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/video-swin-b_kinetics.pth')))
