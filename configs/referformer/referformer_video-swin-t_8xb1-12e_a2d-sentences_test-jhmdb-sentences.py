# The model of A2D-Sentences from scratch, tested.
_base_ = './referformer_video-swin-t_8xb2-6e_a2d-sentences_test-jhmdb-sentences.py'

test_dataloader = dict(dataset=dict(clip_length=6))
