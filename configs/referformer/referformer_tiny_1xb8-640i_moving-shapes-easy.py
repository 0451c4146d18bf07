# The quickstart: learns to find coloured shapes by their look in a few minutes on a CPU.
_base_ = [
    '../_base_/models/referformer_tiny.py', '../_base_/datasets/moving_shapes_frames.py',
    '../_base_/schedules/moving_shapes.py', '../_base_/iterations_runtime.py'
]
max_iters = 640
_vars_ = ['max_iters']

# Looks have nothing to do with places: masks come from what the sentence says, not from where a query looks.
model = dict(
    transformer=dict(decoder_layers=1),
    mask_head=dict(relative_coordinates=False),
    criterion=dict(weight_bbox=1.0, weight_giou=0.5))

train_cfg = dict(max_iters=max_iters)
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=20, end=max_iters),
]
