_base_ = [
    '../_base_/models/referformer_video-swin-b.py', '../_base_/datasets/refcoco_ref-youtube-vos.py',
    '../_base_/schedules/referformer_12e.py', '../_base_/default_runtime.py'
]
