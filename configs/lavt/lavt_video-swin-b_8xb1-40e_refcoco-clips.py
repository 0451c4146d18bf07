# The authors do not give the schedule of this stage: that of their images, one clip a GPU.
_base_ = [
    '../_base_/models/lavt_video-swin-b.py', '../_base_/datasets/refcoco_clips_480.py',
    '../_base_/schedules/lavt_40e.py', '../_base_/default_runtime.py'
]

model = dict(mask_space='network')
