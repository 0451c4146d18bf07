"""Decoders: transformers, feature pyramids and mask heads."""

from mmlvs.models.decoders.cross_modal_fpn import CrossModalFPN, Words
from mmlvs.models.decoders.deformable_transformer import DecoderOutput, DeformableTransformer, LevelTokens
from mmlvs.models.decoders.dynamic_mask_head import DynamicMaskHead
from mmlvs.models.decoders.isomer_head import IsomerHead
from mmlvs.models.decoders.lts_decoder import LTSDecoder
from mmlvs.models.decoders.top_down_mask_decoder import TopDownMaskDecoder
from mmlvs.models.decoders.vlt_decoder import VLTDecoder

__all__ = [
    'CrossModalFPN', 'DecoderOutput', 'DeformableTransformer', 'DynamicMaskHead', 'IsomerHead', 'LTSDecoder',
    'LevelTokens', 'TopDownMaskDecoder', 'VLTDecoder', 'Words'
]
