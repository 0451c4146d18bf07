# The quickstart with a ConvNeXt of timm. Needs the full stack: pip install -r requirements/full.txt
_base_ = './referformer_tiny_1xb8-640i_moving-shapes-easy.py'

model = dict(
    backbone=dict(_delete_=True, type='FrameBackbone', network=dict(type='TimmNetwork', name='convnext_atto')))
