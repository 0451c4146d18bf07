# Own videos (docs/en/own_data.md): <data_root>/train.json and valid.json, frames in folders or video files. Clips of
# single frames whose short side is 192; testing takes 32 frames at a time, at original size for the scores.
_vars_folder_ = ['data_root', 'num_frames', 'short_side', 'train_pipeline', 'test_pipeline']
data_root = 'data/my_folder'
num_frames = 1
short_side = 192

train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=num_frames),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='RandomFlipClip', prob=0.5),
    dict(type='ResizeClip', short_side=short_side),
    dict(type='MarkVisible'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=short_side, resize_gt=False),
    dict(type='CleanText'),
    dict(type='PackClip'),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='ClipSampler', shuffle=True, infinite=True),
    dataset=dict(
        type='FolderDataset', data_root=data_root, split='train', unit='video', clip_length=num_frames,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='FolderDataset', data_root=data_root, split='valid', unit='video', test_mode=True, clip_length=32,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
