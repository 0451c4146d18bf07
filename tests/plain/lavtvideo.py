"""Plain form of LAVT-Video, under the name by which benchmarks look for it."""

from tests.plain.lavt import plain_form

__all__ = ['plain_form']
