# Isomer with two Swin-T, as released (Yuan et al., ICCV 2023). scatter='none': what the released code computes.
_vars_isomer_ = ['swin', 'semantic']
swin = dict(
    type='SwinBackbone', embed_dim=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24), drop_path_rate=0.2,
    out_norm=False, init_cfg=dict(type='Pretrained', checkpoint='pretrained/swin_tiny_patch4_window7_224.pth'))
semantic = dict(type='SemanticGatheringScatteringTransformer', num_points=121, scatter='none')

model = dict(
    type='Isomer',
    data_preprocessor=dict(
        type='ClipDataPreprocessor', codec=dict(size=(512, 512), pad_divisor=1, mask_stride=1, way_back='direct')),
    backbone=dict(type='TwoStreamBackbone', appearance=swin, motion=swin),
    fusions=[
        dict(type='ContextSharingTransformer'),
        dict(type='ContextSharingTransformer'),
        semantic,
        dict(semantic, num_points=30),
    ],
    decode_head=dict(type='IsomerHead', channels=192, square_upsampling=True),
    criterion=dict(type='SaliencyCriterion'),
    flow=dict(type='DISFlow'))  # for clips that bring no flow images
