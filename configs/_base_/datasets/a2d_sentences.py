# A2D-Sentences as ReferFormer trains and tests on it: clips of 5 frames around one annotated frame, which alone is
# predicted. Testing gives one item per annotated frame with all its sentences. The metric wants all queries of the
# model (`candidates=True`); official mask logits go back by `way_back='upsample_crop_nearest'` of the codec. Clips of
# another length: `clip_length` of both data sets.
_vars_a2d_sentences_ = ['data_root', 'num_frames', 'resize', 'train_pipeline', 'test_pipeline']
data_root = 'data/a2d_sentences'
num_frames = 5

resize = dict(type='RandomResizeClip', short_sides=[288, 320, 352, 392, 416, 448, 480, 512], max_long_side=640)
train_pipeline = [
    dict(type='SampleLocalGlobalFrames'),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='RandomFlipClip', prob=0.5),
    dict(type='PhotometricDistortClip'),
    dict(
        type='RandomBranchClip',
        branches=[
            [resize],
            [
                dict(type='RandomResizeClip', short_sides=[400, 500, 600]),
                dict(type='RandomCropClip', min_side=384, max_side=600),
                resize,
            ],
        ]),
    dict(type='MarkVisible', by='boxes'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='SampleWindow'),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=360, max_long_side=640, resize_gt=False),
    dict(type='CleanText'),
    dict(type='PackClip'),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='ClipSampler', shuffle=True),
    dataset=dict(
        type='A2DSentencesDataset', data_root=data_root, split='train', unit='expression', clip_length=num_frames,
        pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='A2DSentencesDataset', data_root=data_root, split='test', unit='video', clip_length=num_frames,
        test_mode=True, pipeline=test_pipeline))
test_evaluator = dict(type='A2DMetric', prefix='a2d')
