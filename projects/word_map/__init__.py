"""The smallest method that reads a sentence: see README.md."""

from projects.word_map.word_map import WordMap

__all__ = ['WordMap']
