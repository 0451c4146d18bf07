# Zero-shot sets in the layout of Isomer, <set>/<sequence>/{Frame,Flow,GT}: single frames with their flow images,
# 512 x 512 whatever the shape of the video, truth at original size. Trains on DAVIS-16 and FBMS, tests on DAVIS-16.
_vars_zero_shot_ = ['data_root', 'size', 'train_pipeline', 'test_pipeline']
data_root = 'data/zero-shot'
size = (512, 512)

train_pipeline = [
    dict(type='SampleClip', num_frames=1),
    dict(type='LoadFrames'),
    dict(type='LoadStream', stream='flow'),
    dict(type='LoadMasks'),
    dict(type='RandomFlipClip', prob=0.5),
    dict(type='PhotometricDistortClip', in_steps=True, permute_channels=False),
    dict(type='ResizeClip', size=size, mask_resizer='pillow'),
    dict(type='MarkVisible'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadStream', stream='flow'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', size=size, resize_gt=False),
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
        type='ZeroShotDataset', data_root=f'{data_root}/TrainSet', split='DAVIS_FBMS', clip_length=1,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='ZeroShotDataset', data_root=f'{data_root}/TestSet', split='DAVIS', test_mode=True, with_masks=True,
        clip_length=16, pipeline=test_pipeline))
test_dataloader = val_dataloader
# J and F of masks, and saliency of soft maps: as the method's own evaluator has it, and as PySODMetrics has it
val_evaluator = dict(type='SaliencyMetric', protocol='isomer', weighted=False, prefix='valid')
test_evaluator = [
    dict(type='SaliencyMetric', protocol='isomer', weighted=False, prefix='isomer'),
    dict(type='SaliencyMetric', protocol='standard', zvos=False, prefix='standard'),
]
