# Ref-YouTube-VOS as LAVT-Video trains and tests on it: 480 x 480, no augmentation, sentences as they are, clips of 8
# frames. Testing takes all frames of a video in one clip: norms are over the clip, so shorter ones give other masks
# (`test_dataloader.dataset.clip_length=8` for less memory).
_base_ = './ref_youtube_vos.py'
_vars_ref_youtube_vos_480_ = ['square']
num_frames = 8

square = dict(type='ResizeClip', size=(480, 480), mask_resizer='pillow')
train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=num_frames),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    square,
    dict(type='MarkVisible'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', size=(480, 480), resize_gt=False),
    dict(type='PackClip'),
]

train_dataloader = dict(dataset=dict(clip_length=num_frames, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
