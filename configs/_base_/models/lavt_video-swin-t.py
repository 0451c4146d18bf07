# LAVT-Video with Video-Swin-T, as released (Yang et al., TPAMI 2024).
# `bert` is a folder with the tokenizer's files and, for training, the encoder's weights.
_vars_lavt_ = ['bert']
bert = 'pretrained/bert-base-uncased'

model = dict(
    type='LAVTVideo',
    data_preprocessor=dict(type='ClipDataPreprocessor', codec=dict(pad_divisor=1)),
    backbone=dict(
        type='LanguageAwareSwin',
        swin=dict(
            type='VideoSwinBackbone', embed_dim=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24),
            window_size=(8, 7, 7), drop_path_rate=0.1, out_norm=True,
            init_cfg=dict(type='Pretrained', checkpoint='pretrained/swin_tiny_patch244_window877_kinetics400_1k.pth')),
        fusion=dict(
            type='PixelWordAttention', variant='separable', kernels=dict(temporal=(3, 3, 3)), attended='separable',
            fused='separable'),
        true_offsets=False),  # of windows on maps smaller than 7 x 7; at 480 x 480 there are none
    # Embeddings and the last two layers are never updated.
    text_encoder=dict(
        type='BertTextEncoder', config=None, pretrained=bert,
        frozen=['embeddings', 'encoder.layer.10', 'encoder.layer.11'],
        # Longer sentences lose the closing token, words with control characters are unknown: as the authors have it.
        tokenizer=dict(type='PretrainedTokenizer', path=bert, max_length=22, keep_end=False, clean=False)),
    decoder=dict(type='TopDownMaskDecoder'),
    criterion=dict(type='ClassCrossEntropy', weights=(0.9, 1.1)),
    max_expressions=1,  # of a video pass the network at once in testing: a bound of memory, results are the same
    decode_all=True)  # statistics of the decoder's batch norms are over all frames of a clip, as the authors have it
