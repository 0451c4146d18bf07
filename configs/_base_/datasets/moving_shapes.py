# Moving shapes, the embedded data set, in the layout of Ref-YouTube-VOS: small frames that need no resizing, so that a
# CPU trains on it. "moving left" becomes "moving right" with a flip; clips never run backwards.
_vars_moving_shapes_ = ['data_root', 'num_frames', 'train_pipeline', 'test_pipeline']
data_root = 'data/moving-shapes-easy'
num_frames = 5

train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=num_frames),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='RandomFlipClip', prob=0.5),
    # colours are part of the sentences: no hue, no channel permutation
    dict(
        type='PhotometricDistortClip',
        brightness=12,
        contrast=(0.9, 1.1),
        saturation=(0.9, 1.1),
        hue=0,
        permute_channels=False,
        per_frame=False),
    dict(type='MarkVisible'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='ClipSampler', shuffle=True),
    dataset=dict(
        type='RefYouTubeVOSDataset',
        data_root=data_root,
        split='train',
        layout=dict(without={}),
        unit='expression',
        clip_length=num_frames,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='RefYouTubeVOSDataset',
        data_root=data_root,
        split='valid',
        layout=dict(without={}),
        unit='video',
        test_mode=True,
        with_masks=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
