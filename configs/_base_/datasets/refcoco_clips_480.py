# RefCOCO + RefCOCO+ + RefCOCOg (umd) as LAVT-Video is pre-trained on them: each image 8 times as a clip, one sentence
# an item. Tested on one val split, on the images alone.
_base_ = './refcoco_480.py'
_vars_refcoco_clips_480_ = ['num_frames', 'clip_pipeline', 'clip_set']
num_frames = 8

clip_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', size=(480, 480), mask_resizer='pillow'),
    dict(type='RepeatFrame', num_frames=num_frames),
    dict(type='MarkVisible'),
    dict(type='PackClip'),
]
clip_set = dict(
    type='RefCOCODataset', data_root='data/refer', split='train', unit='expression', text='raw', overlap='drop',
    pipeline=clip_pipeline)
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        _delete_=True,
        type='ConcatVideoDataset',
        datasets=[
            dict(clip_set, subset='refcoco'),
            dict(clip_set, subset='refcoco+'),
            dict(clip_set, subset='refcocog', split_by='umd'),
        ]))
