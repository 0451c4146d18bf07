# A small ReferFormer whose backbone sees frames together, so that it can tell how things move.
_base_ = './referformer_tiny.py'

model = dict(
    backbone=dict(
        _delete_=True, type='VideoSwinBackbone', embed_dim=32, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8),
        window_size=(8, 7, 7), drop_path_rate=0.0),
    transformer=dict(encoder_layers=2, decoder_layers=2))
