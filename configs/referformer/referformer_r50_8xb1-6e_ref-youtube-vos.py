_base_ = [
    '../_base_/models/referformer_r50.py', '../_base_/datasets/ref_youtube_vos.py',
    '../_base_/schedules/referformer_6e.py', '../_base_/default_runtime.py'
]

# The masks of the valid split are not public: `test` writes the files that the server scores.
val_dataloader = None
val_cfg = None
val_evaluator = None
test_evaluator = dict(type='RefYouTubeVOSWriter', out_dir='work_dirs/ref-youtube-vos_submission')
