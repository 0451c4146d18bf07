"""RoBERTa as text encoder, from numbers alone or with pretrained weights."""

from __future__ import annotations

import difflib
import json
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmlvs.io.conversions.backbones import ROBERTA
from mmlvs.models.pretrained import load_pretrained
from mmlvs.models.text_encoders.features import TextFeatures
from mmlvs.registry import MODELS
from mmlvs.utils import build

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
    """All numbers of a RoBERTa: those of ``roberta-base`` with those of ``config`` in their place.

    Args:
        config: numbers by their transformers names; a path of a ``config.json`` or of the folder that holds it; None.

    Raises:
        KeyError: a number that RoBERTa does not have.
        FileNotFoundError: no file at the path.
    """
    if config is None:
        return dict(ROBERTA_BASE)
    if isinstance(config, str):
        path = Path(config).expanduser()
        path = path / 'config.json' if path.is_dir() else path
        if not path.is_file():
            raise FileNotFoundError(f'expected a config.json of RoBERTa at {path}; give its numbers as a dict instead, '
                                    'or None for those of roberta-base')
        stored = json.loads(path.read_text(encoding='utf-8'))
        return {key: stored.get(key, number) for key, number in ROBERTA_BASE.items()}
    for key in config:
        if key not in ROBERTA_BASE:
            near = difflib.get_close_matches(key, ROBERTA_BASE, n=1, cutoff=0.5)
            hint = f'did you mean {near[0]!r}?' if near else f'known: {sorted(ROBERTA_BASE)}'
            raise KeyError(f'RoBERTa has no number {key!r}; {hint}')
    return {**ROBERTA_BASE, **config}


@MODELS.register_module()
class RobertaTextEncoder(BaseModule):
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
        super().__init__()
        from transformers import RobertaConfig, RobertaModel

        numbers = roberta_numbers(config)
        self.tokenizer = build(tokenizer, MODELS)
        largest = getattr(self.tokenizer, 'max_size', 0)
        if largest > numbers['vocab_size']:
            raise ValueError(f'the tokenizer may give {largest} ids, but the encoder has {numbers["vocab_size"]} word '
                             'embeddings; set max_size of the tokenizer to at most vocab_size of the encoder')
        if sentence not in ('pooler', 'mean'):
            raise ValueError(f"sentence {sentence!r}: expected 'pooler' or 'mean'")
        self.model = RobertaModel(RobertaConfig(**numbers), add_pooling_layer=sentence == 'pooler')
        self.out_channels: int = numbers['hidden_size']
        self.pretrained = pretrained
        self.frozen = frozen
        self.train_mode_when_frozen = train_mode_when_frozen
        self.cache_size = cache_size
        self._cache: OrderedDict[tuple, tuple[Tensor, Tensor]] = OrderedDict()
        if frozen:
            self.model.requires_grad_(False)

    @property
    def max_tokens(self) -> int:
        """Longest sequence; position numbers start after the id of the padding token."""
        return self.model.config.max_position_embeddings - self.model.config.pad_token_id - 1

    def build_vocabulary(self, texts: Iterable[str]) -> None:
        """Give the expressions of the training annotations to a tokenizer without vocabulary; others need none."""
        if self.tokenizer.needs_vocabulary:
            self.tokenizer.build_vocabulary(texts)

    def forward(self, texts: Sequence[str]) -> TextFeatures:
        """Features of expressions.

        Args:
            texts: E expressions, each naming something (an empty one is an error).

        Returns:
            TextFeatures: with character offsets.

        Raises:
            ValueError: an empty expression, a longer one than there are positions, or an id without an embedding.
        """
        tokens = self.tokenizer(texts)
        lengths = tokens.mask.sum(1)
        longest = int(lengths.argmax())
        if lengths[longest] > self.max_tokens:
            raise ValueError(f'expression {longest} has {int(lengths[longest])} tokens, the encoder takes '
                             f'{self.max_tokens}: {texts[longest][:60]!r}...; set max_length of the tokenizer to cut '
                             'such expressions')
        if int(tokens.ids.max()) >= self.model.config.vocab_size:
            raise ValueError(f'the tokenizer gives id {int(tokens.ids.max())}, but the encoder has '
                             f'{self.model.config.vocab_size} word embeddings; tokenizer and encoder do not belong '
                             'together')
        device = self.model.embeddings.word_embeddings.weight.device
        features = self.encode(tokens.ids.to(device), tokens.mask.to(device))
        features.offsets = tokens.offsets
        return features

    def encode(self, ids: Tensor, mask: Tensor) -> TextFeatures:
        """Features of token ids.

        Args:
            ids: int64 (E, L); padding holds the id of the padding token.
            mask: (E, L) bool or 0/1, True = token.

        Returns:
            TextFeatures: without offsets.
        """
        mask = mask.bool()
        if self.cache_size and self.frozen and not self.training and not torch.is_grad_enabled():
            words, sentence = self._encode_cached(ids, mask)
        else:
            words, sentence = self._encode(ids, mask)
        return TextFeatures(words=words, sentence=sentence, mask=mask)

    def _encode(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Words (E, L, C) and sentences (E, C)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            out = self.model(input_ids=ids, attention_mask=mask.long(), token_type_ids=torch.zeros_like(ids))
        words = out.last_hidden_state
        if self.model.pooler is not None:
            return words, out.pooler_output
        real = mask.to(words)[..., None]  # E L -> E L 1
        return words, (words * real).sum(dim=1) / real.sum(dim=1)

    def _encode_cached(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`_encode`, running only the rows that are not known yet."""
        kind = ids.device.type
        amp = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else None
        keys = [(tuple(row), tuple(real), amp) for row, real in zip(ids.tolist(), mask.tolist(), strict=True)]
        known = {key: self._cache[key] for key in keys if key in self._cache}
        new = {key: i for i, key in enumerate(keys) if key not in known}
        if new:
            rows = list(new.values())
            words, sentence = self._encode(ids[rows], mask[rows])
            known.update({key: (words[i].clone(), sentence[i].clone()) for i, key in enumerate(new)})
        for key in keys:
            self._cache[key] = known[key]
            self._cache.move_to_end(key)
        while len(self._cache) > self.cache_size:
            self._cache.popitem(last=False)
        return (torch.stack([known[key][0] for key in keys]), torch.stack([known[key][1] for key in keys]))

    def train(self, mode: bool = True) -> RobertaTextEncoder:
        """Training mode; a frozen encoder stays in eval mode unless ``train_mode_when_frozen``."""
        super().train(mode)
        self._cache.clear()
        if self.frozen and not self.train_mode_when_frozen:
            self.model.eval()
        return self

    def _apply(self, *args: Any, **kwargs: Any) -> RobertaTextEncoder:
        self._cache.clear()  # the weights move or change their type
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any) -> None:
        self._cache.clear()  # the weights change
        super()._load_from_state_dict(*args)

    def init_weights(self) -> None:
        """Random start as in RoBERTa, then the weights of ``pretrained`` if there are any.

        A file without a pooler (the released language model has none) leaves the pooler random, with a warning.
        """
        deviation = self.model.config.initializer_range
        for module in self.model.modules():
            if isinstance(module, (nn.Linear, nn.Embedding)):
                nn.init.normal_(module.weight, std=deviation)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding) and module.padding_idx is not None:
                with torch.no_grad():
                    module.weight[module.padding_idx].zero_()
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        if self.pretrained is not None:
            loaded = load_pretrained(self, {'checkpoint': self.pretrained}, ROBERTA)
            if any(name.startswith('model.pooler') for name in loaded.kept):
                print_log(
                    f'{self.pretrained} holds no pooler: the sentence feature starts from random weights'
                    + (', and stays so, as the encoder is frozen' if self.frozen else ''),
                    logger='current',
                    level=logging.WARNING)
        self._cache.clear()
        self.is_init = True
