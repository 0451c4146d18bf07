"""Base of all transforms and the two ways to put them together."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from mmlvs.registry import TRANSFORMS

Results = dict[str, Any]


class ClipTransform(ABC):
    """One step of a pipeline: acts on a whole clip at once, with draws from ``results['rng']`` only."""

    def __call__(self, results: Results) -> Results:
        return self.transform(results)

    @abstractmethod
    def transform(self, results: Results) -> Results:
        """Change and return ``results``."""


class Compose:
    """Applies transforms one after the other.

    Args:
        transforms: dicts (built from the registry) or callables.

    Raises:
        TypeError: an entry is neither.
        RuntimeError: a transform returns None instead of ``results``.
    """

    def __init__(self, transforms: Sequence[dict | Callable]) -> None:
        self.transforms = [self._build(t) for t in transforms]

    @staticmethod
    def _build(transform: dict | Callable) -> Callable:
        if isinstance(transform, dict):
            return TRANSFORMS.build(transform)
        if callable(transform):
            return transform
        raise TypeError(f'a pipeline consists of dicts and callables, found {type(transform).__name__}: {transform!r}')

    def __call__(self, results: Results) -> Results:
        for transform in self.transforms:
            results = transform(results)
            if results is None:
                raise RuntimeError(f'{type(transform).__name__} returned None; it must return the results')
        return results

    def __repr__(self) -> str:
        return f'Compose({", ".join(type(t).__name__ for t in self.transforms)})'


@TRANSFORMS.register_module()
class RandomBranchClip(ClipTransform):
    """One of several pipelines, drawn per clip; an empty one leaves the clip as it is.

    Args:
        branches: the pipelines.
        probs: probability of each; None = equal.

    Raises:
        ValueError: ``probs`` do not fit or do not sum to one.
    """

    def __init__(self, *, branches: Sequence[Sequence[dict | Callable]], probs: Sequence[float] | None = None) -> None:
        probs = [1 / len(branches)] * len(branches) if probs is None else list(probs)
        if len(probs) != len(branches) or abs(sum(probs) - 1) > 1e-6 or min(probs) < 0:
            raise ValueError(f'probs {probs}: expected {len(branches)} numbers that sum to one')
        self.branches, self.probs = [Compose(b) for b in branches], probs

    def transform(self, results: Results) -> Results:
        """See the class."""
        return self.branches[int(results['rng'].choice(len(self.branches), p=self.probs))](results)
