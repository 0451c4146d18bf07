# A small ReferFormer whose backbone sees frames together, so that it can tell how things move.
_base_ = './referformer_tiny.py'

model = dict(
    backbone=dict(
        _delete_=True, type='VideoSwinBackbone', embed_dim=32, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8),
        window_size=(8, 7, 7), drop_path_rate=0.0),
    text_encoder=dict(config=dict(num_hidden_layers=2)),
    transformer=dict(encoder_layers=2, decoder_layers=1),
    # At 112 pixels the published reductions leave 3 x 3 cells in which pixels could compare their places.
    pixel_decoder=dict(reductions=(4, 2, 1, 1)),
    # Boxes are learnt last: masks come from what the sentence says, not from where a query looks.
    mask_head=dict(relative_coordinates=False),
    criterion=dict(weight_bbox=1.0, weight_giou=0.5))
