"""Turning weights of another project into ours: strict, by rules that are data.

Nothing is lost or left over silently: every tensor of the source gets a new name or is dropped for a stated reason, and
every tensor of the target is filled or kept for a stated reason.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

SHOWN = 10


@dataclass(frozen=True)
class Drop:
    """Replacement of a rule whose tensors have no place here, with the reason."""

    reason: str


@dataclass(frozen=True)
class Rule:
    """How tensors whose whole name matches a pattern are renamed.

    Attributes:
        pattern: regular expression, matched against the whole source name.
        target: replacement (with ``\\1``, ...), or a :class:`Drop`.
        change: applied to the value.
    """

    pattern: str
    target: 'str | Drop'
    change: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Keep:
    """Tensors of the target that need no source and keep their values, with the reason."""

    pattern: str
    reason: str


@dataclass
class Conversion:
    """Outcome of a conversion.

    Attributes:
        state_dict: tensors by the target's names.
        dropped: reason by source name.
        kept: reason by target name.
    """

    state_dict: dict[str, Tensor]
    dropped: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def summary(self) -> str:
        """A few lines for the user: how many tensors were converted, dropped and kept, and why."""
        lines = [f'{len(self.state_dict)} tensors converted, {len(self.dropped)} dropped, {len(self.kept)} kept']
        for title, reasons in (('dropped', self.dropped), ('kept', self.kept)):
            lines += [f'  {title} {count}: {reason}' for reason, count in Counter(reasons.values()).items()]
        return '\n'.join(lines)


class ConversionError(ValueError):
    """A state dict that does not fit the rules or the target; the message lists every problem with the nearest name."""


def rename(name: str, rules: Iterable[Rule]) -> tuple['str | Drop', Rule] | None:
    """New name (or :class:`Drop`) of a tensor and the rule that gave it: the first that matches the whole name."""
    for rule in rules:
        match = re.fullmatch(rule.pattern, name)
        if match:
            return (rule.target if isinstance(rule.target, Drop) else match.expand(rule.target)), rule
    return None


def convert_state_dict(source: Mapping[str, Tensor], rules: Sequence[Rule], target: Mapping[str, Tensor],
                       keep: Sequence[Keep] = ()) -> Conversion:
    """Rename all tensors of a state dict and check them against a target.

    Args:
        source: tensors by the other project's names.
        rules: tried in order for every name.
        target: ``state_dict()`` of our network (on any device, the meta device included); gives names and shapes.
        keep: tensors of the target that may stay as they are.

    Returns:
        What to load, strictly unless tensors are kept.

    Raises:
        ConversionError: a source no rule knows, two sources for one target, a name or shape that the target does not
            have, or a target without source.
    """
    result, origin, problems = Conversion({}), {}, []
    for name, value in source.items():
        found = rename(name, rules)
        if found is None:
            problems.append(f'no rule for {name!r} {tuple(value.shape)}{_near(name, [rule.pattern for rule in rules])}')
            continue
        new, rule = found
        if isinstance(new, Drop):
            result.dropped[name] = new.reason
            continue
        value = value if rule.change is None else rule.change(value)
        if new in origin:
            problems.append(f'{origin[new]!r} and {name!r} both become {new!r}')
        elif new not in target:
            problems.append(f'{name!r} becomes {new!r}, which the network does not have{_near(new, target)}')
        elif tuple(target[new].shape) != tuple(value.shape):
            problems.append(f'{name!r} has shape {tuple(value.shape)}, {new!r} expects {tuple(target[new].shape)}')
        result.state_dict[new], origin[new] = value, name
    for name in target:
        if name in result.state_dict:
            continue
        reason = next((row.reason for row in keep if re.fullmatch(row.pattern, name)), None)
        if reason is None:
            problems.append(f'nothing fills {name!r} {tuple(target[name].shape)}')
        else:
            result.kept[name] = reason
    if problems:
        more = f'\n  and {len(problems) - SHOWN} more' if len(problems) > SHOWN else ''
        shown = '\n  '.join(problems[:SHOWN])
        raise ConversionError(f'{len(problems)} problems; is the file of another network, or the config of another '
                              f'size?\n  {shown}{more}')
    return result


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f' (nearest: {near[0]!r})' if near else ''
