"""Floating-point operations and parameters of a model by its parts."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils import flop_counter
from torch.utils._python_dispatch import TorchDispatchMode

REST = 'rest'


@dataclass
class PartCost:
    """Cost of one part of a model.

    Attributes:
        flops: floating-point operations; a multiply-add counts as two.
        parameters: numbers in it. ``trainable``: those of them that get gradients.
    """

    flops: int = 0
    parameters: int = 0
    trainable: int = 0


def count_flops(model: nn.Module, run: Callable[[], Any], parts: Sequence[str]) -> dict[str, PartCost]:
    """Count what ``run`` computes in each part.

    Counted are convolutions, matrix products and attention; not element-wise work, norms, softmax, and sampling.

    Args:
        model: what is counted.
        run: runs the model once.
        parts: names of direct sub-modules; what happens elsewhere goes to ``'rest'``.

    Returns:
        Costs by part in the given order, ``'rest'`` last.

    Raises:
        ValueError: the model has no such sub-module.
    """
    unknown = set(parts) - {name for name, _ in model.named_children()}
    if unknown:
        raise ValueError(f'{type(model).__name__} has no parts {sorted(unknown)}; it has '
                         f'{[name for name, _ in model.named_children()]}')
    costs = {name: PartCost() for name in (*parts, REST)}
    for name, parameter in model.named_parameters():
        part = name.partition('.')[0]
        cost = costs[part if part in parts else REST]
        cost.parameters += parameter.numel()
        cost.trainable += parameter.numel() * parameter.requires_grad
    counter = _Counter(model, parts)
    with counter.attached(), torch.no_grad():
        run()
    for name, number in counter.by_part.items():
        costs[name].flops = number
    return costs


class _Counter(TorchDispatchMode):
    """Sees every operator, and gives its cost to the part whose module is running."""

    def __init__(self, model: nn.Module, parts: Sequence[str]) -> None:
        super().__init__()
        self.by_part: dict[str, int] = defaultdict(int)
        self._running = [REST]
        self._modules = [(module, part) for name, module in model.named_modules()
                         if (part := name.partition('.')[0]) in parts]
        self._known = {**_missing_operators(), **flop_counter.flop_registry}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        cost = self._known.get(func._overloadpacket)
        if cost is not None:
            self.by_part[self._running[-1]] += cost(*args, **kwargs, out_val=out)
        return out

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Count inside the ``with`` block, without the fused attention of torch whose inside is not seen."""
        handles = []
        for module, part in self._modules:
            handles += [module.register_forward_pre_hook(lambda *_, part=part: self._running.append(part)),
                        module.register_forward_hook(self._leave, always_call=True)]
        fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with self:
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
            for handle in handles:
                handle.remove()

    def _leave(self, *_: Any) -> None:
        self._running.pop()


def _missing_operators() -> dict:
    """Attention on a CPU is an operator that torch's counter may not know; it costs what other attention costs."""

    def attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return flop_counter.sdpa_flop_count(query.shape, key.shape, value.shape)

    operator = getattr(torch.ops.aten, '_scaled_dot_product_flash_attention_for_cpu', None)
    return {} if operator is None else {operator: attention}
