# Single frames of the full level of moving shapes: looks, places and relations, after `..._moving-shapes-names.py`.
# Motion does not show in them, so that sentences about it are left out.
#   python tools/dataset_converters/make_shape_kinds.py data/moving-shapes-full --name looks --most 2 \
#       --types appearance position relation
# and the same with `--split valid --most 0` and `--split test --most 0` for the sentences that are scored.
_base_ = [
    '../_base_/models/lavt_tiny.py', '../_base_/datasets/moving_shapes_full_frames.py',
    '../_base_/schedules/moving_shapes.py', '../_base_/iterations_runtime.py'
]
load_from = 'work_dirs/lavt_tiny_1xb8-600i_moving-shapes-names/iter_600.pth'

max_iters = 2800
looks = dict(expressions='meta_expressions/{split}/looks.json', without={})
_vars_ = ['max_iters', 'looks']

# Shapes are small: Dice sees them. Relations need the words' order and some thought at the level of objects.
model = dict(
    backbone=dict(swin=dict(depths=(2, 2, 4, 2))),
    text_encoder=dict(config=dict(num_hidden_layers=2)),
    criterion=dict(_delete_=True, type='ClassDice', focal=1.0))

train_cfg = dict(max_iters=max_iters, val_interval=500)
train_dataloader = dict(batch_size=5, dataset=dict(layout=looks))
val_dataloader = dict(batch_size=4, dataset=dict(layout=looks, clip_length=8))
test_dataloader = dict(batch_size=4, dataset=dict(layout=looks, clip_length=8))

param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=100, end=max_iters),
]

val_evaluator = dict(group_by=['clue_type'])
default_hooks = dict(logger=dict(interval=50), checkpoint=dict(interval=500))
log_processor = dict(window_size=50)
