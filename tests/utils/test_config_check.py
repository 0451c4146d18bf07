"""A misspelt key fails and the message names what was meant."""

import pytest
from mmengine.config import Config

from mmlvs.utils import check_config
from mmlvs.utils.config_check import ConfigKeyError, accepted_keys


def config(**changes) -> Config:
    base = dict(work_dir='x', model=dict(type='ReferFormer'), train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1),
                val_evaluator=dict(type='JFMetric'), train_dataloader=dict(batch_size=1, num_workers=0))
    return Config({**base, **changes})


def test_a_good_config_passes():
    check_config(config())


@pytest.mark.parametrize(('change', 'message'), [
    (dict(train_dataloder=dict()), "train_dataloder: .* did you mean 'train_dataloader'"),
    (dict(model=dict(type='ReferFormer', num_querys=5)), "model.num_querys: ReferFormer .* did you mean 'num_queries'"),
    (dict(model=dict(type='ReferFormer', backbone=dict(type='SwinBackbone', embed_dims=3))),
     "model.backbone.embed_dims: SwinBackbone has no 'embed_dims'; did you mean 'embed_dim'"),
    (dict(train_dataloader=dict(batchsize=1)), "did you mean 'batch_size'"),
    (dict(train_cfg=dict(type='EpochBasedTrainLoop', max_epoch=1)), "did you mean 'max_epochs'"),
    (dict(custom_hooks=[dict(type='EMAHook', momentun=0.1)]), 'momentun'),
    (dict(num_frames=5), 'num_frames: .*declare it in _vars_'),
    (dict(env_cfg=dict(cudnn_benchmrk=True)), "did you mean 'cudnn_benchmark'"),
    (dict(env_cfg=dict(dist_cfg=dict(bakend='gloo'))), "did you mean 'backend'"),
    (dict(randomness=dict(sed=1)), "did you mean 'seed'"),
    (dict(optim_wrapper=dict(optimizer=dict(type='SGD', lr=1.0), clip_grad=dict(max_nrm=1))), "mean 'max_norm'"),
    (dict(model=dict(type='Isomer', data_preprocessor=dict(codec=dict(pad_divisr=1)))), "did you mean 'pad_divisor'"),
    (dict(default_hooks=dict(visualization=dict(type='ClipVisualizationHook'), visualisation=dict(num_videos=0))),
     "default_hooks.visualisation: .*did you mean 'visualization'"),
])
def test_a_misspelt_key_fails(change, message):
    with pytest.raises(ConfigKeyError, match=message):
        check_config(config(**change))


def test_declared_variables_pass():
    check_config(config(num_frames=5, data_root='x', _vars_=['num_frames'], _vars_data_=['data_root']))


def test_keys_are_followed_up_the_bases():
    class Base:
        def __init__(self, *, a=1):
            self.a = a

    class Child(Base):
        def __init__(self, b=2, **kwargs):
            super().__init__(**kwargs)
            self.b = b

    assert accepted_keys(Child) == ({'a', 'b'}, False)
    assert accepted_keys(lambda x, **rest: x) == ({'x', 'rest'}, True)
