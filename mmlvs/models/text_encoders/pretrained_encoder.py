"""What text encoders of transformers share: tokenizer and network in one, numbers instead of downloads, a cache."""

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

from mmlvs.io.conversion import WeightFormat
from mmlvs.models.pretrained import load_pretrained
from mmlvs.models.text_encoders.features import TextFeatures
from mmlvs.registry import MODELS
from mmlvs.utils import build


def encoder_numbers(kind: str, base: Mapping[str, Any], config: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """All numbers of a network: those of its base form with those of ``config`` in their place.

    Args:
        kind: name of the network, for messages.
        base: numbers of its base form, and all that may be set.
        config: numbers by their transformers names; a path of a ``config.json`` or of the folder that holds it; None.

    Raises:
        KeyError: a number that the network does not have.
        FileNotFoundError: no file at the path.
    """
    if config is None:
        return dict(base)
    if isinstance(config, str):
        path = Path(config).expanduser()
        path = path / 'config.json' if path.is_dir() else path
        if not path.is_file():
            raise FileNotFoundError(f'expected a config.json of {kind} at {path}; give its numbers as a dict instead, '
                                    f'or None for those of the base form')
        stored = json.loads(path.read_text(encoding='utf-8'))
        return {key: stored.get(key, number) for key, number in base.items()}
    for key in config:
        if key not in base:
            near = difflib.get_close_matches(key, base, n=1, cutoff=0.5)
            hint = f'did you mean {near[0]!r}?' if near else f'known: {sorted(base)}'
            raise KeyError(f'{kind} has no number {key!r}; {hint}')
    return {**base, **config}


class PretrainedTextEncoder(BaseModule):
    """Tokenizer and a network of transformers in one: expressions in, word and sentence features out.

    Words are the last hidden states of all tokens, special ones included; the sentence is the pooler's output, or the
    mean of the words.

    Args:
        model: the network, with a pooler or without.
        weights: names in files of its weights.
        tokenizer: settings of a tokenizer, or a built one.
        pretrained: folder with ``model.safetensors`` or ``pytorch_model.bin``, or such a file; read by
            ``init_weights``. None: random start.
        frozen: no gradient for the encoder; or names of the parts without one, such as ``'embeddings'`` or
            ``'encoder.layer.11'``.
        stays_in_eval: whether the network stays in eval mode, without dropout, while the model trains.
        cache_size: expressions whose features are kept. Only used while nothing can change them: frozen as a whole, in
            eval mode and without gradient. 0 switches it off.

    Raises:
        ValueError: a tokenizer with more ids than there are embeddings, or a part that does not exist.
    """

    def __init__(self, *, model: nn.Module, weights: WeightFormat, tokenizer: dict | nn.Module, pretrained: str | None,
                 frozen: bool | Sequence[str], stays_in_eval: bool, cache_size: int) -> None:
        super().__init__()
        self.tokenizer = build(tokenizer, MODELS)
        largest = getattr(self.tokenizer, 'max_size', 0)
        if largest > model.config.vocab_size:
            raise ValueError(f'the tokenizer may give {largest} ids, but the encoder has {model.config.vocab_size} '
                             'word embeddings; set max_size of the tokenizer to at most vocab_size of the encoder')
        self.model, self.weights, self.pretrained = model, weights, pretrained
        self.out_channels: int = model.config.hidden_size
        self.frozen, self.stays_in_eval, self.cache_size = frozen is True, stays_in_eval, cache_size
        self._cache: OrderedDict[tuple, tuple[Tensor, Tensor]] = OrderedDict()
        parts = dict(model.named_modules())
        for name in ('', ) if frozen is True else frozen or ():
            if name not in parts:
                raise ValueError(f'frozen part {name!r} does not exist; known: {sorted(parts)[1:9]} and deeper ones')
            parts[name].requires_grad_(False)

    @property
    def max_tokens(self) -> int:
        """Longest sequence."""
        return self.model.config.max_position_embeddings

    def build_vocabulary(self, texts: Iterable[str]) -> None:
        """Give the expressions of the training annotations to a tokenizer without vocabulary; others need none."""
        if self.tokenizer.needs_vocabulary:
            self.tokenizer.build_vocabulary(texts)

    def extend_vocabulary(self, texts: Iterable[str]) -> tuple[list[str], list[str]]:
        """Words of further annotations for a tokenizer that has learnt its own, if their embeddings can be trained:
        those taken, and those for which there is no room. Other tokenizers know parts of all words."""
        embeddings = self.model.get_input_embeddings().weight
        if not hasattr(self.tokenizer, 'extend_vocabulary') or not embeddings.requires_grad:
            return [], []
        return self.tokenizer.extend_vocabulary(texts)

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

    def train(self, mode: bool = True) -> PretrainedTextEncoder:
        """Training mode; the network stays in eval mode if ``stays_in_eval``."""
        super().train(mode)
        self._cache.clear()
        if self.stays_in_eval:
            self.model.eval()
        return self

    def _apply(self, *args: Any, **kwargs: Any) -> PretrainedTextEncoder:
        self._cache.clear()  # the weights move or change their type
        return super()._apply(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any) -> None:
        self._cache.clear()  # the weights change
        super()._load_from_state_dict(*args)

    def init_weights(self) -> None:
        """Random start as in BERT, then the weights of ``pretrained`` if there are any.

        A file without a pooler (a released language model may have none) leaves the pooler random, with a warning.
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
            loaded = load_pretrained(self, {'checkpoint': self.pretrained}, self.weights)
            if any(name.startswith('model.pooler') for name in loaded.kept):
                print_log(
                    f'{self.pretrained} holds no pooler: the sentence feature starts from random weights'
                    + (', and stays so, as the encoder is frozen' if self.frozen else ''),
                    logger='current',
                    level=logging.WARNING)
        self._cache.clear()
        self.is_init = True


def has_pooler(sentence: str) -> bool:
    """Whether a sentence feature comes from the pooler.

    Raises:
        ValueError: neither ``'pooler'`` nor ``'mean'``.
    """
    if sentence not in ('pooler', 'mean'):
        raise ValueError(f"sentence {sentence!r}: expected 'pooler' or 'mean'")
    return sentence == 'pooler'
