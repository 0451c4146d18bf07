# Starts from the pre-training on images as clips.
_base_ = './lavt_video-swin-t_8xb1-30e_ref-youtube-vos.py'

model = dict(
    init_cfg=dict(type='Pretrained', checkpoint='pretrained/lavt_video-swin-t_refcoco-clips.safetensors'))
