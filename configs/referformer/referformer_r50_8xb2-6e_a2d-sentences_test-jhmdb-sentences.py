# The model of A2D-Sentences, tested.
_base_ = [
    '../_base_/models/referformer_r50.py', '../_base_/datasets/jhmdb_sentences.py',
    '../_base_/schedules/test_only.py', '../_base_/default_runtime.py'
]

model = dict(candidates=True, data_preprocessor={{_base_.padded_test}})
