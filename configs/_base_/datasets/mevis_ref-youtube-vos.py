# A mixture: MeViS twice and Ref-YouTube-VOS once in an epoch, shuffled together. Tested like Ref-YouTube-VOS.
_base_ = ['./ref_youtube_vos.py']
_vars_mixture_ = ['mevis_root', 'one_set']
mevis_root = 'data/mevis'

one_set = dict(
    split='train', unit='expression', clip_length={{_base_.num_frames}}, pipeline={{_base_.train_pipeline}})
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatVideoDataset',
        repeats=[2, 1],
        datasets=[
            dict(one_set, type='MeViSDataset', data_root=mevis_root),
            dict(one_set, type='RefYouTubeVOSDataset', data_root={{_base_.data_root}}),
        ]))
