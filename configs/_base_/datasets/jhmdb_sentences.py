# JHMDB-Sentences: evaluation of models trained on A2D-Sentences, three frames of every video, windows of 5 frames.
_vars_jhmdb_sentences_ = ['data_root', 'num_frames', 'test_pipeline']
data_root = 'data/jhmdb_sentences'
num_frames = 5

test_pipeline = [
    dict(type='SampleWindow'),
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', short_side=360, max_long_side=640, resize_gt=False),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=False,
    collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='JHMDBSentencesDataset', data_root=data_root, unit='video', clip_length=num_frames, test_mode=True,
        pipeline=test_pipeline))
test_evaluator = dict(type='A2DMetric', prefix='jhmdb')
