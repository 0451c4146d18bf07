# The default runtime, counted in iterations; no pictures while testing.
_base_ = './default_runtime.py'
default_hooks = dict(
    logger=dict(interval=20), checkpoint=dict(by_epoch=False, interval=100), visualization=dict(num_videos=0))
log_processor = dict(by_epoch=False, window_size=20)
