# From scratch (pre-trained backbone and text encoder) on Ref-YouTube-VOS: 10 epochs, rates dropped after 6 and 8.
_base_ = './referformer_6e.py'

train_cfg = dict(max_epochs=10)
param_scheduler = dict(milestones=[6, 8])
