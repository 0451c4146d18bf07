# A2D-S, A2D-S+ (NORM, MUL, SPAT, TEMP) and JHMDB as Locater tests on them: every frame of the video in order, 320 x 320
# with aligned corners, three global frames as a stream of their own in the first clip; masks stay at original size.
# Which of them: `subset`.
_vars_locater_sets_ = ['data_root', 'subset', 'test_pipeline']
data_root = 'data/locater'
subset = 'NORM'

test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadFrames', stream='global_img', paths='global_frame_paths'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', size=(320, 320), resizer='align_corners', resize_gt=False),
    dict(type='PackClip'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='LocaterDataset', data_root=data_root, subset=subset, num_global=3, pipeline=test_pipeline))
test_evaluator = dict(type='IoUMetric', convention='locater', prefix='locater')
