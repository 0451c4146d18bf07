# Ref-YouTube-VOS as ReferFormer trains and tests on it: clips of 5 frames, short side 288..512, long side <= 640;
# testing takes the whole video in one clip, short side 360, raw sentences. The masks of the valid split are not public:
# nothing is validated while training, and testing writes the files that the server scores.
_vars_ref_youtube_vos_ = ['data_root', 'num_frames', 'resize', 'train_pipeline', 'test_pipeline', 'clean_test_pipeline']
data_root = 'data/ref-youtube-vos'
num_frames = 5

resize = dict(type='RandomResizeClip', short_sides=[288, 320, 352, 392, 416, 448, 480, 512], max_long_side=640)
train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=num_frames),
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
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=360, resize_gt=False),
    dict(type='PackClip'),
]
clean_test_pipeline = [  # of sets whose test has no published raw sentences to equal: cleaned as in training
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=360, resize_gt=False),
    dict(type='CleanText'),
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
        type='RefYouTubeVOSDataset',
        data_root=data_root,
        split='train',
        unit='expression',
        clip_length=num_frames,
        pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='RefYouTubeVOSDataset',
        data_root=data_root,
        split='valid',
        unit='video',
        test_mode=True,
        pipeline=test_pipeline))
test_evaluator = dict(type='RefYouTubeVOSWriter', out_dir='work_dirs/ref-youtube-vos_submission')
