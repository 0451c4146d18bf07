_base_ = './isomer_swin-t.py'

mit = dict(
    type='MixTransformerBackbone', drop_path_rate=0.1,
    init_cfg=dict(type='Pretrained', checkpoint='pretrained/mit_b0.pth'))
_vars_mit_ = ['mit']
model = dict(
    backbone=dict(appearance=dict(_delete_=True, **mit), motion=dict(_delete_=True, **mit)),
    decode_head=dict(channels=64))
