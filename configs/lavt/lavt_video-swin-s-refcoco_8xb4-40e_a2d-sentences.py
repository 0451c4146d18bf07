# Starts from the pre-training on images as clips.
_base_ = './lavt_video-swin-s_8xb4-40e_a2d-sentences.py'

model = dict(
    init_cfg=dict(type='Pretrained', checkpoint='pretrained/lavt_video-swin-s_refcoco-clips.safetensors'))
