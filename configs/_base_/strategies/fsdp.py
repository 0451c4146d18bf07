# Fully sharded training for the large variants: weights, gradients and optimiser state lie in shards over processes.
# Add it to a config's bases: _base_ = ['./referformer_swin-l_....py', '../_base_/strategies/fsdp.py']
# Checkpoints are those of the plain model. Settings of torch's FullyShardedDataParallel go into `model_wrapper`.
runner_type = 'mmlvs.FlexibleRunner'
strategy = dict(
    type='mmlvs.FSDPStrategy', state_dict_cfg='full',
    model_wrapper=dict(type='MMFullyShardedDataParallel', sharding_strategy='FULL_SHARD', use_orig_params=True))
