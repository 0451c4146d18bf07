# A2D-Sentences as LAVT-Video trains and tests on it: 480 x 480, no augmentation, clips of 8 frames around the annotated
# one, in testing of 16 consecutive ones; only the annotated frame is predicted, and scored at 480 x 480.
_base_ = './a2d_sentences.py'
_vars_a2d_sentences_480_ = ['test_frames', 'square']
num_frames = 8
test_frames = 16

square = dict(type='ResizeClip', size=(480, 480), mask_resizer='pillow')
train_pipeline = [
    dict(type='SampleLocalGlobalFrames', num_frames=num_frames, single=False),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    square,
    dict(type='MarkVisible'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
test_pipeline = [
    dict(type='SampleWindow', num_frames=test_frames),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    square,
    dict(type='CleanText'),
    dict(type='PackClip'),
]

train_dataloader = dict(batch_size=4, dataset=dict(clip_length=num_frames, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(clip_length=test_frames, pipeline=test_pipeline))
test_evaluator = dict(_delete_=True, type='IoUMetric', convention='lavt', prefix='a2d')
