# First stage of the full level: what the words for shapes mean, from single frames with sentences such as "every star".
# It takes the place of the training with class labels that the backbones of the released models have behind them: with
# the sentences of the next stage alone, shapes were still at chance after 1500 iterations.
#   python tools/dataset_converters/make_shape_kinds.py data/moving-shapes-full --name shapes --only-kinds --most 6 \
#       --types appearance --attributes shape
_base_ = './lavt_tiny_1xb5-2800i_moving-shapes-frames.py'
load_from = None

max_iters = 600
shapes = dict(expressions='meta_expressions/{split}/shapes.json', without={})
_vars_ = ['max_iters', 'looks', 'shapes']

train_cfg = dict(max_iters=max_iters, val_interval=10000)
train_dataloader = dict(batch_size=8, dataset=dict(layout=shapes))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=False, begin=100, end=4000),  # hardly falls
]
default_hooks = dict(checkpoint=dict(interval=200))
