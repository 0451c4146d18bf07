"""What tests of several rooms share."""

import os
from pathlib import Path

import pytest

VOCABULARY = Path(__file__).parents[2] / 'shared' / 'vocab' / 'bert-base-uncased'


@pytest.fixture
def bert_vocabulary(monkeypatch):
    """A function of a reader's name: skips the test if that reader returns token ids and the vocabulary of
    bert-base-uncased, which is not ours, is neither beside the checkout nor named by ``MMLVS_BERT_VOCAB``."""
    def need(reader: str) -> None:
        if not reader.startswith(('lavt', 'locater')):
            return
        place = Path(os.environ.get('MMLVS_BERT_VOCAB', VOCABULARY))
        if not place.exists():
            pytest.skip('the vocabulary of bert-base-uncased is not there (MMLVS_BERT_VOCAB)')
        monkeypatch.setenv('MMLVS_BERT_VOCAB', str(place))
    return need
