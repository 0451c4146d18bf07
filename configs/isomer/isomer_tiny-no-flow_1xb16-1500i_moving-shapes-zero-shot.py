# The same without motion: every flow image is white. What is left is the look of single frames, which does not tell
# which shape moves.
_base_ = './isomer_tiny_1xb16-1500i_moving-shapes-zero-shot.py'

_vars_no_flow_ = ['test_steps']
test_steps = [dict(type='LoadFrames'), dict(type='LoadMasks'), dict(type='PackClip')]
model = dict(flow=dict(type='NoFlow', _delete_=True))
train_dataloader = dict(
    dataset=dict(
        flow=None,
        pipeline=[
            dict(type='SampleClip', num_frames=1),
            dict(type='LoadFrames'),
            dict(type='LoadMasks'),
            dict(type='RandomFlipClip', prob=0.5),
            dict(type='PhotometricDistortClip', in_steps=True, permute_channels=False),
            dict(type='MarkVisible'),
            dict(type='PackClip'),
        ]))
val_dataloader = dict(dataset=dict(flow=None, pipeline=test_steps))
test_dataloader = dict(dataset=dict(flow=None, pipeline=test_steps))
