"""BERT as text encoder, from numbers alone or with pretrained weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from mmlvs.io.conversions.backbones import BERT, BERT_WITHOUT_POOLER
from mmlvs.models.text_encoders.pretrained_encoder import PretrainedTextEncoder, encoder_numbers, has_pooler
from mmlvs.registry import MODELS

BERT_BASE: dict[str, Any] = {
    'vocab_size': 30522,
    'hidden_size': 768,
    'num_hidden_layers': 12,
    'num_attention_heads': 12,
    'intermediate_size': 3072,
    'max_position_embeddings': 512,
    'type_vocab_size': 2,
    'layer_norm_eps': 1e-12,
    'hidden_act': 'gelu',
    'hidden_dropout_prob': 0.1,
    'attention_probs_dropout_prob': 0.1,
    'initializer_range': 0.02,
    'pad_token_id': 0,
}
"""Numbers of ``bert-base-uncased``, and all the numbers that a configuration may set."""


@MODELS.register_module()
class BertTextEncoder(PretrainedTextEncoder):
    """Tokenizer and BERT (Devlin et al., NAACL 2019) in one: expressions in, word and sentence features out.

    Words are the last hidden states of all tokens, ``[CLS]`` and ``[SEP]`` included.

    Args:
        tokenizer: settings of a tokenizer, or a built one.
        config: numbers of the network (a few numbers make a small one), path of a ``config.json``, or None for
            bert-base-uncased.
        pretrained: folder with ``model.safetensors`` or ``pytorch_model.bin``, or such a file; read by
            ``init_weights``. None: random start.
        sentence: ``'mean'`` of the tokens (no pooler is built), or ``'pooler'``.
        frozen: no gradient for the encoder; or names of the parts without one, such as ``'embeddings'`` or
            ``'encoder.layer.11'``.
        stays_in_eval: whether the network keeps its dropout off while the model trains.
        cache_size: expressions whose features are kept. Only used while nothing can change them: frozen as a whole, in
            eval mode and without gradient. 0 switches it off.
    """

    def __init__(self, *, tokenizer: dict | nn.Module, config: dict | str | None = None, pretrained: str | None = None,
                 sentence: str = 'mean', frozen: bool | Sequence[str] = False, stays_in_eval: bool = False,
                 cache_size: int = 256) -> None:
        from transformers import BertConfig, BertModel

        numbers = encoder_numbers('BERT', BERT_BASE, config)
        model = BertModel(BertConfig(**numbers), add_pooling_layer=has_pooler(sentence))
        super().__init__(model=model, weights=BERT_WITHOUT_POOLER if model.pooler is None else BERT,
                         tokenizer=tokenizer, pretrained=pretrained, frozen=frozen, stays_in_eval=stays_in_eval,
                         cache_size=cache_size)
