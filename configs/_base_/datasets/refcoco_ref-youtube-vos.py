# Joint training of ReferFormer: the three RefCOCO sets as pseudo clips of 5 frames, concatenated with Ref-YouTube-VOS
# and shuffled plainly, without balancing. Tested like Ref-YouTube-VOS.
_base_ = ['./ref_youtube_vos.py']
_vars_refcoco_ref_youtube_vos_ = ['refcoco_root', 'image_pipeline', 'image_set', 'video_set']
refcoco_root = 'data/refer'

image_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='PseudoClip', num_frames={{_base_.num_frames}}),
    dict(type='RandomFlipClip', prob=0.5),
    dict(type='PhotometricDistortClip'),
    dict(
        type='RandomBranchClip',
        branches=[
            [{{_base_.resize}}],
            [
                dict(type='RandomResizeClip', short_sides=[400, 500, 600]),
                dict(type='RandomCropClip', min_side=384, max_side=600),
                {{_base_.resize}},
            ],
        ]),
    dict(type='MarkVisible', by='boxes'),
    dict(type='PackClip'),
]
image_set = dict(
    type='RefCOCODataset', data_root=refcoco_root, split='train', unit='expression', text='sent',
    pipeline=image_pipeline)
video_set = dict(
    type='RefYouTubeVOSDataset', data_root={{_base_.data_root}}, split='train', unit='expression',
    clip_length={{_base_.num_frames}}, pipeline={{_base_.train_pipeline}})
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatVideoDataset',
        datasets=[
            dict(image_set, subset='refcoco'),
            dict(image_set, subset='refcoco+'),
            dict(image_set, subset='refcocog', split_by='umd'),
            video_set,
        ]))
