_base_ = [
    '../_base_/models/lavt_video-swin-t.py', '../_base_/datasets/ref_youtube_vos_480.py',
    '../_base_/schedules/lavt_30e.py', '../_base_/default_runtime.py'
]
