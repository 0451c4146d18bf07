# ReferFormer with ResNet-50 and RoBERTa-base, as released (Wu et al., CVPR 2022).
# `roberta-base` is a folder with the tokenizer's files and, for training, the encoder's weights.
_vars_referformer_ = ['roberta', 'padded_test']
roberta = 'pretrained/roberta-base'
# For `model.data_preprocessor` where single frames are tested (RefCOCO, A2D, JHMDB): padded as in training, masks
# enlarged four times, cut, and taken to the original size by nearest pixels.
padded_test = dict(codec=dict(way_back='upsample_crop_nearest'), pad_divisor_test=32)

model = dict(
    type='ReferFormer',
    data_preprocessor=dict(
        type='ClipDataPreprocessor', codec=dict(pad_divisor=32, mask_stride=4, way_back='direct'), pad_divisor_test=1),
    backbone=dict(
        type='ResNetBackbone', depths=(3, 4, 6, 3), frozen_stages=1, frozen_norm=True,
        init_cfg=dict(type='Pretrained', checkpoint='pretrained/resnet50-0676ba61.pth')),
    text_encoder=dict(
        type='RobertaTextEncoder', config=None, pretrained=roberta, frozen=True,
        tokenizer=dict(type='PretrainedTokenizer', path=roberta)),
    transformer=dict(
        type='DeformableTransformer', channels=256, num_heads=8, num_levels=4, encoder_points=4, decoder_points=4,
        encoder_layers=4, decoder_layers=4, feedforward_channels=2048, dropout=0.1),
    pixel_decoder=dict(
        type='CrossModalFPN', mask_channels=256, num_heads=8, feedforward_channels=2048, dropout=0.1,
        reductions=(8, 4, 2, 1), num_groups=8),
    mask_head=dict(type='DynamicMaskHead', hidden_channels=8, num_layers=3),
    criterion=dict(type='ReferFormerCriterion', matcher=dict(type='ClipMatcher')),
    max_expressions=4,  # of a video pass the transformer at once: a bound of memory, results are the same
    num_queries=5,
    num_classes=1)
