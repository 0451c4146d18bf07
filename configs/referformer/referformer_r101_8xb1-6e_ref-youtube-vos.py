_base_ = './referformer_r50_8xb1-6e_ref-youtube-vos.py'

model = dict(
    backbone=dict(
        depths=(3, 4, 23, 3)))
