"""RoBERTa as text encoder, from numbers alone or with pretrained weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from mmlvs.io.conversions.backbones import ROBERTA
from mmlvs.models.text_encoders.pretrained_encoder import PretrainedTextEncoder, encoder_numbers, has_pooler
from mmlvs.registry import MODELS

ROBERTA_BASE: dict[str, Any] = {
    'vocab_size': 50265,
    'hidden_size': 768,
    'num_hidden_layers': 12,
    'num_attention_heads': 12,
    'intermediate_size': 3072,
    'max_position_embeddings': 514,
    'type_vocab_size': 1,
    'layer_norm_eps': 1e-5,
    'hidden_act': 'gelu',
    'hidden_dropout_prob': 0.1,
    'attention_probs_dropout_prob': 0.1,
    'initializer_range': 0.02,
    'pad_token_id': 1,
    'bos_token_id': 0,
    'eos_token_id': 2,
}
"""Numbers of ``roberta-base``, and all the numbers that a configuration may set."""


def roberta_numbers(config: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """All numbers of a RoBERTa, see :func:`encoder_numbers`."""
    return encoder_numbers('RoBERTa', ROBERTA_BASE, config)


@MODELS.register_module()
class RobertaTextEncoder(PretrainedTextEncoder):
    """Tokenizer and RoBERTa (Liu et al., 2019) in one: expressions in, word and sentence features out.

    Words are the last hidden states of all tokens, ``<s>`` and ``</s>`` included; the sentence is the pooler's output,
    or the mean of the words.

    Args:
        tokenizer: settings of a tokenizer, or a built one.
        config: numbers of the network (a few numbers make a small one), path of a ``config.json``, or None for
            roberta-base.
        pretrained: folder with ``model.safetensors`` or ``pytorch_model.bin``, or such a file; read by
            ``init_weights``. None: random start.
        sentence: ``'pooler'``: the pooler on ``<s>``, as in ReferFormer; ``'mean'``: the mean of the tokens, for
            encoders that start untrained, whose ``<s>`` hardly depends on the other words (no pooler is built).
        frozen: no gradient for the encoder.
        train_mode_when_frozen: whether dropout stays active in a frozen encoder during training, as in ReferFormer.
        cache_size: expressions whose features are kept. Only used while nothing can change them: frozen, in eval
            mode and without gradient. 0 switches it off.
    """

    def __init__(
        self,
        *,
        tokenizer: dict | nn.Module,
        config: dict | str | None = None,
        pretrained: str | None = None,
        sentence: str = 'pooler',
        frozen: bool = False,
        train_mode_when_frozen: bool = True,
        cache_size: int = 256,
    ) -> None:
        from transformers import RobertaConfig, RobertaModel

        model = RobertaModel(RobertaConfig(**roberta_numbers(config)), add_pooling_layer=has_pooler(sentence))
        super().__init__(model=model, weights=ROBERTA, tokenizer=tokenizer, pretrained=pretrained, frozen=frozen,
                         stays_in_eval=frozen and not train_mode_when_frozen, cache_size=cache_size)

    @property
    def max_tokens(self) -> int:
        """Longest sequence; position numbers start after the id of the padding token."""
        return self.model.config.max_position_embeddings - self.model.config.pad_token_id - 1
