# The quickstart with a ResNet of MMDetection. Needs the full stack: pip install -r requirements/full.txt
_base_ = './referformer_tiny_1xb8-640i_moving-shapes-easy.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='FrameBackbone',
        network=dict(
            type='mmdet.ResNet', depth=18, stem_channels=24, base_channels=24, frozen_stages=-1, norm_eval=False),
        out_channels=(24, 48, 96, 192)))
