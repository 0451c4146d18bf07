_base_ = [
    '../_base_/models/referformer_r101.py', '../_base_/datasets/ref_youtube_vos.py',
    '../_base_/schedules/referformer_10e.py', '../_base_/default_runtime.py'
]
