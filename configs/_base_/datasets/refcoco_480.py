# RefCOCO as LAVT trains and tests on it: frames and masks of 480 x 480, no augmentation, raw sentences; training draws
# one sentence of a reference, testing asks all of them, and the validation that chooses the model a fixed one. Pixels
# in two polygons of an object are background, as its reader has them. Another set: `subset`, `split_by` and `split` of
# the data sets.
_vars_refcoco_480_ = ['data_root', 'subset', 'split_by', 'resize', 'train_pipeline', 'valid_pipeline', 'test_pipeline']
data_root = 'data/refer'
subset = 'refcoco'
split_by = 'unc'

resize = dict(type='ResizeClip', size=(480, 480), mask_resizer='pillow')
train_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='DrawExpression'),
    resize,
    dict(type='PackClip'),
]
valid_pipeline = train_pipeline
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    resize,
    dict(type='PackClip'),
]

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='ClipSampler', shuffle=True),
    dataset=dict(
        type='RefCOCODataset', data_root=data_root, subset=subset, split_by=split_by, split='train', unit='video',
        text='raw', overlap='drop', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='RefCOCODataset', data_root=data_root, subset=subset, split_by=split_by, split='val', unit='video',
        text='raw', overlap='drop', test_mode=True, pipeline=valid_pipeline))
val_cfg = dict(type='ValLoop')
val_evaluator = dict(type='IoUMetric', convention='lavt', prefix='valid')
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='RefCOCODataset', data_root=data_root, subset=subset, split_by=split_by, split='val', unit='video',
        text='raw', overlap='drop', test_mode=True, pipeline=test_pipeline))
test_evaluator = dict(type='IoUMetric', convention='lavt', prefix='refcoco')
