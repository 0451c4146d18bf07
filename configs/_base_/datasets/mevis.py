# MeViS: trained as Ref-YouTube-VOS (clips of 5 frames, a start frame every 5), validated on valid_u with its local
# score, tested on valid, whose files the server scores. ReferDINO: num_frames=6 and stride=64.
_base_ = ['./ref_youtube_vos.py']
_vars_mevis_ = ['mevis_root']
mevis_root = 'data/mevis'

train_dataloader = dict(dataset=dict(type='MeViSDataset', data_root=mevis_root))
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='MeViSDataset', data_root=mevis_root, split='valid_u', unit='video', test_mode=True, with_masks=True,
        pipeline={{_base_.clean_test_pipeline}}))
val_cfg = dict(type='ValLoop')
val_evaluator = dict(type='MeViSMetric', prefix='mevis_valid_u')
test_dataloader = dict(dataset=dict(type='MeViSDataset', data_root=mevis_root, pipeline={{_base_.clean_test_pipeline}}))
test_evaluator = dict(_delete_=True, type='MeViSWriter', out_dir='work_dirs/mevis_submission')
