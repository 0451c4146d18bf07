"""Decoders: transformers, feature pyramids and mask heads."""

from mmlvs.models.decoders.cross_modal_fpn import CrossModalFPN, Words
from mmlvs.models.decoders.deformable_transformer import DecoderOutput, DeformableTransformer, LevelTokens
from mmlvs.models.decoders.dynamic_mask_head import DynamicMaskHead

__all__ = ['CrossModalFPN', 'DecoderOutput', 'DeformableTransformer', 'DynamicMaskHead', 'LevelTokens', 'Words']
