# The authors recompute activations in the backward pass for this size.
_base_ = './lavt_video-swin-t.py'

model = dict(
    backbone=dict(
        swin=dict(
            embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), drop_path_rate=0.3, with_cp=True,
            init_cfg=dict(
                type='Pretrained', checkpoint='pretrained/swin_base_patch244_window877_kinetics400_22k.pth'))))
