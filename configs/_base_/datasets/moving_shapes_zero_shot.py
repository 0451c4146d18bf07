# Moving shapes without sentences: one object moves by itself before a moving camera, among others that do not. Flow
# images lie beside the frames (tools/dataset_converters/make_flow.py). Training takes single frames.
_vars_moving_shapes_ = ['data_root', 'train_pipeline', 'test_pipeline']
data_root = 'data/moving-shapes-zero-shot'

train_pipeline = [
    dict(type='SampleClip', num_frames=1),
    dict(type='LoadFrames'),
    dict(type='LoadStream', stream='flow'),
    dict(type='LoadMasks'),
    dict(type='RandomFlipClip', prob=0.5),
    dict(type='PhotometricDistortClip', in_steps=True, permute_channels=False),
    dict(type='MarkVisible'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadStream', stream='flow'),
    dict(type='LoadMasks'),
    dict(type='PackClip'),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='ClipSampler', shuffle=True),
    dataset=dict(
        type='YouTubeVOSDataset', data_root=data_root, split='train', merge=True, flow='Flow', clip_length=1,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='YouTubeVOSDataset', data_root=data_root, split='valid', merge=True, flow='Flow', test_mode=True,
        with_masks=True, pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='YouTubeVOSDataset', data_root=data_root, split='test', merge=True, flow='Flow', test_mode=True,
        with_masks=True, pipeline=test_pipeline))
