# The semantic fusion as the paper describes it: its results go back to their positions. Needs training from scratch.
_base_ = './isomer_swin-t_2xb8-500e_youtube-vos.py'

context = dict(type='ContextSharingTransformer')
semantic = dict(type='SemanticGatheringScatteringTransformer', num_points=121, scatter='position')
_vars_position_ = ['context']
model = dict(
    fusions=[context, context, semantic, dict(semantic, num_points=30)],
    decode_head=dict(square_upsampling=False))
