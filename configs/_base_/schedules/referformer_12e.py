# 12 epochs, rates dropped after 8 and 10: pre-training on images, joint training, A2D-Sentences from scratch. In joint
# training the authors' script freezes the text encoder; the command they give elsewhere trains it:
# `--cfg-options model.text_encoder.frozen=False`.
_base_ = './referformer_6e.py'

train_cfg = dict(max_epochs=12)
param_scheduler = dict(milestones=[8, 10])
