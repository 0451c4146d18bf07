# LAVT with Swin-B, window 12, and a BERT of its own, as released (Yang et al., CVPR 2022).
# `bert` is a folder with the tokenizer's files and, for training, the encoder's weights.
_vars_lavt_ = ['bert']
bert = 'pretrained/bert-base-uncased'

model = dict(
    type='LAVT',
    data_preprocessor=dict(type='ClipDataPreprocessor', codec=dict(pad_divisor=1)),
    backbone=dict(
        type='LanguageAwareSwin',
        swin=dict(
            type='SwinBackbone', embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), window_size=12,
            drop_path_rate=0.3,
            init_cfg=dict(type='Pretrained', checkpoint='pretrained/swin_base_patch4_window12_384_22k.pth')),
        fusion=dict(type='PixelWordAttention')),
    # Embeddings and the last two layers are never updated; there is no dropout in training.
    text_encoder=dict(
        type='BertTextEncoder', config=None, pretrained=bert, stays_in_eval=True,
        frozen=['embeddings', 'encoder.layer.10', 'encoder.layer.11'],
        # Longer sentences lose the closing token, words with control characters are unknown: as the authors have it.
        tokenizer=dict(type='PretrainedTokenizer', path=bert, max_length=20, keep_end=False, clean=False)),
    decoder=dict(type='TopDownMaskDecoder'),
    criterion=dict(type='ClassCrossEntropy', weights=(0.9, 1.1)),
    mask_space='network')
