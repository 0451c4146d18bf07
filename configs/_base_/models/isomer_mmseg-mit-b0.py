# The same with MMSegmentation's Mix Transformer, for the full stack (requirements/full.txt).
_base_ = './isomer_swin-t.py'

mit = dict(type='FrameBackbone', network=dict(type='MMSegMixTransformer'))
_vars_mit_ = ['mit']
model = dict(
    backbone=dict(appearance=dict(_delete_=True, **mit), motion=dict(_delete_=True, **mit)),
    decode_head=dict(channels=64))
