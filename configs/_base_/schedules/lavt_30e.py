# LAVT-Video on Ref-YouTube-VOS: 30 epochs.
_base_ = './lavt_40e.py'

train_cfg = dict(max_epochs=30)
