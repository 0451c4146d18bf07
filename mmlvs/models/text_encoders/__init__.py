"""Text encoders: expressions to word and sentence features, tokenizer included."""

from mmlvs.models.text_encoders.bert import BertTextEncoder
from mmlvs.models.text_encoders.features import TextFeatures
from mmlvs.models.text_encoders.roberta import RobertaTextEncoder
from mmlvs.models.text_encoders.tokenizers import PretrainedTokenizer, Tokens, WordTokenizer

__all__ = ['BertTextEncoder', 'PretrainedTokenizer', 'RobertaTextEncoder', 'TextFeatures', 'Tokens', 'WordTokenizer']
