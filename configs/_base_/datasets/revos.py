# ReVOS: referring, reasoning and no-target sentences; trained as Ref-YouTube-VOS, scored on valid.
_base_ = ['./ref_youtube_vos.py']
_vars_revos_ = ['revos_root']
revos_root = 'data/revos'

train_dataloader = dict(dataset=dict(type='ReVOSDataset', data_root=revos_root))
test_dataloader = dict(
    dataset=dict(
        type='ReVOSDataset', data_root=revos_root, with_masks=True, pipeline={{_base_.clean_test_pipeline}}))
test_evaluator = dict(
    _delete_=True, type='ReVOSMetric', foreground=revos_root + '/mask_dict_foreground.json', prefix='revos')
