# RefCOCO + RefCOCO+ + RefCOCOg (umd) as ReferFormer pre-trains on them: single images, one sentence an item, no colour
# step. Tested on all sentences of one val split (`test_dataloader.dataset.subset`), short side 360. `data_root` holds
# one folder a set and the images, as REFER downloads them or in the COCO-style form.
_vars_refcoco_ = ['data_root', 'resize', 'cropped_resize', 'train_pipeline', 'test_pipeline', 'train_set']
data_root = 'data/refer'

resize = dict(
    type='RandomResizeClip', short_sides=[480, 512, 544, 576, 608, 640, 672, 704, 736, 768], max_long_side=800)
cropped_resize = dict(
    type='RandomResizeClip', short_sides=[296, 328, 360, 392, 416, 448, 480, 512], max_long_side=640)
train_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='RandomFlipClip', prob=0.5),
    dict(
        type='RandomBranchClip',
        branches=[
            [resize],
            [
                dict(type='RandomResizeClip', short_sides=[400, 500, 600]),
                dict(type='RandomCropClip', min_side=384, max_side=600),
                cropped_resize,
            ],
        ]),
    dict(type='MarkVisible', by='boxes'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=360, max_long_side=640, resize_gt=False),
    dict(type='PackClip'),
]

train_set = dict(
    type='RefCOCODataset', data_root=data_root, split='train', unit='expression', text='sent', pipeline=train_pipeline)
train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='ClipSampler', shuffle=True),
    dataset=dict(
        type='ConcatVideoDataset',
        datasets=[
            dict(train_set, subset='refcoco'),
            dict(train_set, subset='refcoco+'),
            dict(train_set, subset='refcocog', split_by='umd'),
        ]))
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='RefCOCODataset', data_root=data_root, subset='refcoco', split='val', unit='expression', text='sent',
        test_mode=True, pipeline=test_pipeline))
test_evaluator = [
    dict(type='IoUMetric', convention='referformer', prefix='refcoco'),
    dict(type='IoUMetric', convention='referformer', of='box', prefix='refcoco-box'),
]
