_base_ = './referformer_r50.py'

model = dict(backbone=dict(depths=(3, 4, 23, 3), init_cfg=dict(checkpoint='pretrained/resnet101-63fe2227.pth')))
