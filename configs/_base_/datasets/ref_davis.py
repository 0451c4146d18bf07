# Ref-DAVIS17: evaluation of models trained on Ref-YouTube-VOS on the 30 val sequences, raw sentences, clips of 36
# frames. All sentences of a sequence are one item, so that the objects of each of the four annotators are merged into
# index maps. `data_root` is the raw download or the converted set.
_vars_ref_davis_ = ['data_root', 'num_frames', 'test_pipeline']
data_root = 'data/ref-davis'
num_frames = 36

test_pipeline = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=360, resize_gt=False),
    dict(type='PackClip'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='RefDAVISDataset', data_root=data_root, split='valid', unit='video', clip_length=num_frames,
        test_mode=True, pipeline=test_pipeline))
test_evaluator = [
    dict(type='RefDavisMetric', prefix='ref-davis'),
    dict(type='RefDavisWriter', out_dir='work_dirs/ref-davis'),
]
