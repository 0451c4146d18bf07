# LAVT-One: the text encoder is a part of the network, with its dropout in training.
_base_ = './lavt_swin-b.py'

model = dict(text_encoder=dict(stays_in_eval=False), criterion=dict(_delete_=True, type='ClassDice'))
