# DAVIS without sentences: DAVIS-16 (one foreground) for training, DAVIS-17 (objects) for testing; no flow.
_vars_davis_ = ['davis16_root', 'davis17_root', 'train_pipeline', 'test_pipeline']
davis16_root = 'data/davis2016'
davis17_root = 'data/davis2017'

train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=5),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='RandomFlipClip', prob=0.5),
    dict(type='PhotometricDistortClip'),
    dict(type='ResizeClip', short_side=360, max_long_side=640),
    dict(type='MarkVisible'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=360, resize_gt=False),
    dict(type='PackClip'),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='ClipSampler', shuffle=True),
    dataset=dict(
        type='DAVIS16Dataset', data_root=davis16_root, split='train', clip_length=5, pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='DAVIS17Dataset', data_root=davis17_root, split='val', test_mode=True, with_masks=True,
        pipeline=test_pipeline))
test_evaluator = dict(type='JFMetric', prefix='davis2017')
