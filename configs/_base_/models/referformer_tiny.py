# A small ReferFormer that a CPU trains from nothing: narrow, few layers, words learnt from the annotations.
model = dict(
    type='ReferFormer',
    data_preprocessor=dict(
        type='ClipDataPreprocessor', codec=dict(pad_divisor=32, mask_stride=4, way_back='crop_first')),
    backbone=dict(type='ResNetBackbone', depths=(2, 2, 2, 2), base_width=24, frozen_stages=-1, frozen_norm=False),
    # <s> of an encoder that was never trained hardly depends on the other words: the sentence is their mean.
    text_encoder=dict(
        type='RobertaTextEncoder',
        config=dict(
            vocab_size=256, hidden_size=96, num_hidden_layers=1, num_attention_heads=4, intermediate_size=192,
            max_position_embeddings=40, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            initializer_range=0.04),
        sentence='mean',
        tokenizer=dict(type='WordTokenizer', max_size=256, max_length=32)),
    transformer=dict(
        type='DeformableTransformer', channels=64, num_heads=4, num_levels=4, encoder_points=4, decoder_points=4,
        encoder_layers=1, decoder_layers=2, feedforward_channels=256, dropout=0.0),
    pixel_decoder=dict(
        type='CrossModalFPN', mask_channels=32, num_heads=4, feedforward_channels=128, dropout=0.0,
        reductions=(8, 4, 2, 1), num_groups=8),
    mask_head=dict(type='DynamicMaskHead', hidden_channels=16, num_layers=3, coordinate_scale=1 / 64),
    criterion=dict(type='ReferFormerCriterion', matcher=dict(type='ClipMatcher'), weight_ce=2.0),
    num_queries=1,
    num_classes=1,
    fusion_heads=4,
    projection_groups=8,
    text_dropout=0.0)
