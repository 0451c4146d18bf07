_base_ = './lavt_video-swin-t.py'

model = dict(
    backbone=dict(
        swin=dict(
            depths=(2, 2, 18, 2), drop_path_rate=0.2,
            init_cfg=dict(
                type='Pretrained', checkpoint='pretrained/swin_small_patch244_window877_kinetics400_1k.pth'))))
