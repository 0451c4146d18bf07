"""Expressions to token ids: by the tokenizer of a pretrained encoder, or by a vocabulary of the annotations' words."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mmlvs.registry import MODELS


@dataclass
class Tokens:
    """Tokens of E expressions, padded to the longest.

    Attributes:
        ids: int64 (E, L).
        mask: bool (E, L), True = token, False = padding.
        offsets: for each expression int64 (L, 2), characters [start, end) of a token; (0, 0) for special tokens and
            padding.
    """

    ids: Tensor
    mask: Tensor
    offsets: list[Tensor]


def check_expressions(texts: Sequence[str]) -> None:
    """Refuse what cannot be encoded. The rule for empty expressions: they are an error, because they name nothing.

    Raises:
        TypeError: one string instead of a list of them, or an entry that is not a string.
        ValueError: no expression at all, or one that is empty or blank (its position is named).
    """
    if isinstance(texts, str):
        raise TypeError(f'expected a list of expressions, found the single string {texts!r}; put it into a list')
    if not texts:
        raise ValueError('expected at least one expression, found none')
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f'expression {i} of {len(texts)} is of type {type(text).__name__}, expected str')
        if not text.strip():
            raise ValueError(f'expression {i} of {len(texts)} is empty ({text!r}): an expression must name something. '
                             'Correct or remove it in the annotations')


@MODELS.register_module()
class PretrainedTokenizer(nn.Module):
    """Tokenizer of a pretrained text encoder, from a local folder (transformers' fast form).

    The folder is opened at the first use, so that a model can be built without it.

    Args:
        path: folder with the tokenizer files.
        max_length: longest sequence, special tokens included; longer expressions lose their end. None: no limit.
        keep_end: whether a longer expression keeps its closing token, or is cut behind ``max_length`` tokens (LAVT).
        clean: whether control characters are removed from words; if not, such a word is unknown (LAVT, with BERT).
    """

    needs_vocabulary = False

    def __init__(self, *, path: str, max_length: int | None = None, keep_end: bool = True, clean: bool = True) -> None:
        super().__init__()
        if max_length is not None and max_length < 3:
            raise ValueError(f'PretrainedTokenizer: max_length {max_length}, expected at least 3 (start, a word, end) '
                             'or None')
        self.path = path
        self.max_length = max_length
        self.keep_end = keep_end
        self.clean = clean
        self._tokenizer = None

    def _load(self):
        from transformers import AutoTokenizer

        folder = Path(self.path).expanduser()
        need = ('It must hold tokenizer.json (or vocab.txt of BERT, vocab.json and merges.txt of RoBERTa) and '
                'tokenizer_config.json or config.json of the encoder. On a computer with network access: "hf download '
                'google-bert/bert-base-uncased --local-dir FOLDER" for LAVT, "hf download FacebookAI/roberta-base '
                '--local-dir FOLDER" for ReferFormer; then copy the folder and set "path" to it. Without pretrained '
                'files use WordTokenizer, which learns the words of the annotations')
        if not folder.is_dir():
            raise FileNotFoundError(f'tokenizer folder {folder} does not exist. {need}')
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, use_fast=True)
        except (OSError, ValueError, KeyError) as error:
            found = sorted(p.name for p in folder.iterdir())
            raise FileNotFoundError(
                f'no tokenizer can be read from {folder}, which holds {found} ({error}). {need}') from error
        if not tokenizer.is_fast:
            raise ValueError(f'{folder} holds a tokenizer without character offsets (not a fast one). {need}')
        if not self.clean:
            if not hasattr(tokenizer.backend_tokenizer.normalizer, 'clean_text'):
                raise ValueError(f'clean=False is for tokenizers of BERT, {folder} holds {type(tokenizer).__name__}')
            tokenizer.backend_tokenizer.normalizer.clean_text = False
        return tokenizer

    @property
    def tokenizer(self):
        """The transformers tokenizer."""
        if self._tokenizer is None:
            self._tokenizer = self._load()
        return self._tokenizer

    def forward(self, texts: Sequence[str]) -> Tokens:
        """Tokens of expressions; see :func:`check_expressions` for what is refused."""
        check_expressions(texts)
        return self.tokens(texts)

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Tokens of any texts."""
        cut = self.max_length is not None and self.keep_end
        out = self.tokenizer(
            list(texts),
            padding='longest',
            truncation=cut,
            max_length=self.max_length if cut else None,
            return_attention_mask=True,
            return_offsets_mapping=True,
            return_tensors='pt',
        )
        ids, mask, offsets = (out[name][:, :self.max_length] for name in ('input_ids', 'attention_mask',
                                                                          'offset_mapping'))
        return Tokens(ids, mask.bool(), list(offsets))


_WORD = re.compile(r'\w+|[^\w\s]')


@MODELS.register_module()
class WordTokenizer(nn.Module):
    """Words and punctuation marks as tokens, with a vocabulary built from the training annotations.

    For a start without pretrained files. Ids 0 to 3 are ``<s>``, ``<pad>``, ``</s>`` and ``<unk>`` (as in RoBERTa);
    words follow by falling frequency. Every expression is ``<s> words </s>``. The vocabulary is part of the state
    dict, so a checkpoint is complete without the annotations.

    Args:
        max_size: most ids, special ones included; rarer words become ``<unk>``. At most the rows of the embedding.
        lowercase: whether words are compared without case.
        max_length: longest sequence, special tokens included; longer expressions lose their end. None: no limit.
    """

    special = ('<s>', '<pad>', '</s>', '<unk>')
    bos_id, pad_id, eos_id, unknown_id = range(4)

    def __init__(self, *, max_size: int, lowercase: bool = True, max_length: int | None = None) -> None:
        super().__init__()
        if max_size <= len(self.special):
            raise ValueError(f'max_size must leave room beside {len(self.special)} special tokens, found {max_size}')
        if max_length is not None and max_length < 3:
            raise ValueError(f'max_length must leave room for a word between two special tokens, found {max_length}')
        self.max_size = max_size
        self.lowercase = lowercase
        self.max_length = max_length
        self._ids: dict[str, int] = {}

    @property
    def needs_vocabulary(self) -> bool:
        """True until a vocabulary is built or loaded."""
        return not self._ids

    @property
    def vocabulary(self) -> list[str]:
        """Words in the order of their ids, which start after the special ones. Empty before it is built or loaded."""
        return list(self._ids)

    def _words(self, text: str) -> list[tuple[str, int, int]]:
        """(word, start, end) of every token; positions are those of the text as given."""
        found = [(m.group(), m.start(), m.end()) for m in _WORD.finditer(text)]
        return [(word.lower(), start, end) for word, start, end in found] if self.lowercase else found

    def build_vocabulary(self, texts: Iterable[str]) -> None:
        """Learn the words of the training annotations: the most frequent ones, ties in alphabetical order.

        Raises:
            ValueError: no words in the texts.
            RuntimeError: there is another vocabulary already (embeddings belong to it).
        """
        ranked = self._ranked(texts)[:self.max_size - len(self.special)]
        if not ranked:
            raise ValueError('expected texts with words to build a vocabulary from, found none')
        if self._ids and self.vocabulary != ranked:
            raise RuntimeError(f'there is a vocabulary of {len(self._ids)} words already, and the embeddings belong to '
                               'it; build a new model to learn another one')
        self._set(ranked)

    def extend_vocabulary(self, texts: Iterable[str]) -> tuple[list[str], list[str]]:
        """Learn further words of other annotations, behind those that are known and while there is room.

        Returns:
            The words that were taken, and those for which there was no room.

        Raises:
            RuntimeError: there is no vocabulary.
        """
        if not self._ids:
            raise RuntimeError('there is no vocabulary to extend; call build_vocabulary(texts)')
        new = [word for word in self._ranked(texts) if word not in self._ids]
        room = self.max_size - len(self.special) - len(self._ids)
        self._set([*self._ids, *new[:room]])
        return new[:room], new[room:]

    def _ranked(self, texts: Iterable[str]) -> list[str]:
        """Different words of texts, the most frequent ones first, ties in alphabetical order."""
        counts = Counter(word for text in texts for word, _, _ in self._words(text))
        return sorted(counts, key=lambda word: (-counts[word], word))

    def _set(self, words: Sequence[str]) -> None:
        self._ids = {word: i for i, word in enumerate(words, start=len(self.special))}

    def forward(self, texts: Sequence[str]) -> Tokens:
        """Tokens of expressions; see :func:`check_expressions` for what is refused.

        Raises:
            RuntimeError: there is no vocabulary.
        """
        check_expressions(texts)
        if not self._ids:
            raise RuntimeError('the tokenizer has no vocabulary: call build_vocabulary(texts) with the expressions of '
                               'the training annotations, or load a checkpoint that holds one')
        rows, spans = [], []
        for text in texts:
            words = self._words(text)
            if self.max_length is not None:
                words = words[:self.max_length - 2]
            rows.append([self.bos_id, *(self._ids.get(word, self.unknown_id) for word, _, _ in words), self.eos_id])
            spans.append([(0, 0), *((start, end) for _, start, end in words), (0, 0)])
        length = max(map(len, rows))
        ids = torch.tensor([row + [self.pad_id] * (length - len(row)) for row in rows])
        mask = torch.tensor([[True] * len(row) + [False] * (length - len(row)) for row in rows])
        offsets = [torch.tensor(span + [(0, 0)] * (length - len(span))) for span in spans]
        return Tokens(ids, mask, offsets)

    def get_extra_state(self) -> Tensor:
        """The vocabulary as UTF-8 JSON in a uint8 tensor; of length 0 where there is none."""
        if not self._ids:
            return torch.empty(0, dtype=torch.uint8)
        content = json.dumps({'lowercase': self.lowercase, 'words': self.vocabulary}, ensure_ascii=False)
        return torch.tensor(list(content.encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Take the vocabulary of a checkpoint, which replaces one built before (embeddings come from there too).

        Raises:
            ValueError: it was made with another setting of ``lowercase``, or is larger than ``max_size``.
        """
        if not state.numel():
            return
        content = json.loads(bytes(state.cpu().tolist()).decode())
        words = content['words']
        if content['lowercase'] != self.lowercase:
            raise ValueError(f'the vocabulary of the checkpoint was built with lowercase={content["lowercase"]}, this '
                             f'tokenizer has lowercase={self.lowercase}; set it to the same')
        if len(words) + len(self.special) > self.max_size:
            raise ValueError(f'the vocabulary of the checkpoint has {len(words)} words and {len(self.special)} special '
                             f'tokens, more than max_size={self.max_size}; set max_size to that of the checkpoint')
        self._set(words)
