# Long-RVOS: 6 of the codec's key frames a clip, as its authors train; one size, short side 360, before the flip. Tested
# in clips of 60 frames.
_base_ = ['./ref_youtube_vos.py']
_vars_long_rvos_ = ['long_rvos_root', 'key_frame_pipeline']
long_rvos_root = 'data/long_rvos'

key_frame_pipeline = [
    dict(type='SampleVideoKeyFrames', num_frames=6),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=360, max_long_side=640),
    dict(type='RandomFlipClip', prob=0.5),
    dict(type='PhotometricDistortClip'),
    dict(type='MarkVisible', by='boxes'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
train_dataloader = dict(
    dataset=dict(
        type='LongRVOSDataset', data_root=long_rvos_root, sample='key_frames', clip_length=6,
        pipeline=key_frame_pipeline))
test_dataloader = dict(
    dataset=dict(
        type='LongRVOSDataset', data_root=long_rvos_root, with_masks=True, clip_length=60,
        pipeline={{_base_.clean_test_pipeline}}))
test_evaluator = dict(_delete_=True, type='LongRVOSMetric', prefix='long_rvos')
