# The model of Ref-YouTube-VOS, tested: a query is chosen anew every 36 frames.
_base_ = [
    '../_base_/models/referformer_swin-l.py', '../_base_/datasets/ref_davis.py',
    '../_base_/schedules/test_only.py', '../_base_/default_runtime.py'
]

model = dict(query_choice='clip', probabilities=True)
