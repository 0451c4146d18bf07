# The video form on whole videos of the full level, motion included. It starts as the image form that was trained on
# single frames (`lavt_tiny_1xb5-2800i_moving-shapes-frames.py`): what sees a single cell is taken over, what sees
# neighbouring frames is new. A clip is every third frame; the decoder learns from four of its eight.
#   python tools/dataset_converters/make_shape_kinds.py data/moving-shapes-full --name kinds --most 3
_base_ = './lavt_tiny_1xb5-2800i_moving-shapes-frames.py'
load_from = None

max_iters = 450
train_pipeline = [
    dict(type='SampleSpreadFrames', num_frames=8),
    dict(type='DrawKeyFrames', num_key_frames=4),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side={{_base_.short_side}}),
    dict(type='RandomFlipClip', prob=0.5),
    dict(
        type='PhotometricDistortClip', brightness=12, contrast=(0.9, 1.1), saturation=(0.9, 1.1), hue=0,
        permute_channels=False, per_frame=False),
    dict(type='MarkVisible'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
kinds = dict(expressions='meta_expressions/{split}/kinds.json', without={})
every = dict(expressions='meta_expressions/{split}/meta_expressions.json', without={})
_vars_ = ['max_iters', 'looks', 'kinds', 'every']

model = dict(
    type='LAVTVideo',
    most_frames=8,
    backbone=dict(
        swin=dict(
            _delete_=True, type='VideoSwinBackbone', embed_dim=32, depths=(2, 2, 4, 2), num_heads=(1, 2, 4, 8),
            window_size=(8, 7, 7), drop_path_rate=0.0, out_norm=True),
        fusion=dict(variant='separable', kernels=dict(temporal=(3, 1, 1)))),
    init_cfg=dict(
        type='PretrainedExcept',
        checkpoint='work_dirs/lavt_tiny_1xb5-2800i_moving-shapes-frames/iter_1500.pth',
        rename={r'(backbone\.fusions\.\d\.(?:visual|query)\.branches)\.0\.(.*)': r'\1.1.\2'},
        skip=[r'backbone\.fusions\.\d\.(?:visual|query)\.branches\.0\..*']))

train_cfg = dict(max_iters=max_iters, val_interval=150)
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        _delete_=True, type='RefYouTubeVOSDataset', data_root='data/moving-shapes-full', layout=kinds, unit='video',
        clip_length=24, pipeline=train_pipeline))
# Norms are over the frames of a clip: it is tested as it is trained, every third frame of a video at once.
val_dataloader = dict(batch_size=1, dataset=dict(layout=every, clip_length=None))
test_dataloader = dict(batch_size=1, dataset=dict(layout=every, clip_length=None))

optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', eta_min=5e-6, by_epoch=False, begin=50, end=max_iters),
]
default_hooks = dict(checkpoint=dict(interval=150))
