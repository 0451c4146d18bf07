# A small Isomer that a CPU trains from nothing, for frames of any shape: maps keep their ratio, results of the semantic
# fusion go back to their places.
_vars_isomer_ = ['swin', 'context', 'semantic']
swin = dict(
    type='SwinBackbone', embed_dim=32, depths=(2, 2, 2, 2), num_heads=(2, 4, 8, 8), window_size=4, drop_path_rate=0.0,
    out_norm=False)
semantic = dict(
    type='SemanticGatheringScatteringTransformer', num_points=16, num_heads=4, ffn_ratio=2, dropout=0.0,
    scatter='position')
context = dict(type='ContextSharingTransformer', context_ratio=2, ffn_ratio=2, dropout=0.0)

model = dict(
    type='Isomer',
    data_preprocessor=dict(
        type='ClipDataPreprocessor', codec=dict(pad_divisor=1, mask_stride=1, way_back='crop_first')),
    backbone=dict(type='TwoStreamBackbone', appearance=swin, motion=swin),
    fusions=[context, context, semantic, semantic],
    decode_head=dict(type='IsomerHead', channels=64, dropout=0.0, square_upsampling=False),
    criterion=dict(type='SaliencyCriterion'),
    flow=dict(type='DISFlow'),
    conv_std=None)
