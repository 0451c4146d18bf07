# A small LAVT that a CPU trains from nothing: narrow, few layers, words learnt from the annotations.
model = dict(
    type='LAVT',
    data_preprocessor=dict(type='ClipDataPreprocessor', codec=dict(pad_divisor=1)),
    backbone=dict(
        type='LanguageAwareSwin',
        swin=dict(
            type='SwinBackbone', embed_dim=32, depths=(2, 2, 2, 2), num_heads=(1, 2, 4, 8), window_size=7,
            drop_path_rate=0.0),
        fusion=dict(type='PixelWordAttention')),
    text_encoder=dict(
        type='BertTextEncoder',
        config=dict(
            vocab_size=256, hidden_size=96, num_hidden_layers=1, num_attention_heads=4, intermediate_size=192,
            max_position_embeddings=40, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
            initializer_range=0.04),
        tokenizer=dict(type='WordTokenizer', max_size=256, max_length=32)),
    decoder=dict(type='TopDownMaskDecoder', channels=64),
    criterion=dict(type='ClassCrossEntropy', weights=(0.9, 1.1)))
