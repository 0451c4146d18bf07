"""Turning weights of another project into ours: strict, by rules that are data.

Nothing is lost or left over silently: every tensor of the source gets a new name or is dropped for a stated reason, and
every tensor of the target is filled or kept for a stated reason.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

SHOWN = 10
FRESH = 'left at its start, as `skip` asks'
Fit = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Drop:
    """Replacement of a rule whose tensors have no place here, with the reason.

    Attributes:
        reason: for the report.
        same_as: our name of the tensor that it repeats; a copy with other values is an error.
    """

    reason: str
    same_as: str | None = None


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
    """Tensors of the target that need no source, with the reason.

    Attributes:
        pattern: regular expression, matched against the whole target name.
        reason: for the report.
        zeros: whether the result holds zeros for them (counters, empty vocabularies), so that the file made of it is
            complete; otherwise they are not in the result.
    """

    pattern: str
    reason: str
    zeros: bool = False


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
        converted = len(self.state_dict) - sum(name in self.state_dict for name in self.kept)
        lines = [f'{converted} tensors converted, {len(self.dropped)} dropped, {len(self.kept)} kept']
        for title, reasons in (('dropped', self.dropped), ('kept', self.kept)):
            lines += [f'  {title} {count}: {reason}' for reason, count in Counter(reasons.values()).items()]
        return '\n'.join(lines)


class ConversionError(ValueError):
    """A state dict that does not fit the rules or the target; the message lists every problem with the nearest name."""


def nested(rules: Iterable[Rule], source: str, target: str) -> tuple[Rule, ...]:
    """Rules of a part, for the part inside a larger network.

    Args:
        rules: rules for names inside the part.
        source: prefix in the file, a regular expression without groups.
        target: prefix of ours.
    """
    return tuple(replace(rule, pattern=source + f'(?:{rule.pattern})', target=_prefixed(rule.target, target))
                 for rule in rules)


def _prefixed(target: 'str | Drop', prefix: str) -> 'str | Drop':
    if isinstance(target, Drop):
        return target if target.same_as is None else replace(target, same_as=prefix + target.same_as)
    return prefix + target


def rename(name: str, rules: Iterable[Rule]) -> tuple['str | Drop', Rule] | None:
    """New name (or :class:`Drop`) of a tensor and the rule that gave it: the first that matches the whole name."""
    for rule in rules:
        match = re.fullmatch(rule.pattern, name)
        if match and isinstance(rule.target, Drop):
            same_as = rule.target.same_as
            return replace(rule.target, same_as=None if same_as is None else match.expand(same_as)), rule
        if match:
            return match.expand(rule.target), rule
    return None


def rename_known(source: Mapping[str, Tensor], rules: Sequence[Rule]) -> dict[str, Tensor]:
    """The tensors that the rules know, by our names; nothing is checked."""
    found = {name: rename(name, rules) for name in source}
    return {new[0]: source[name] if new[1].change is None else new[1].change(source[name])
            for name, new in found.items() if new is not None and isinstance(new[0], str)}


def convert_state_dict(source: Mapping[str, Tensor], rules: Sequence[Rule], target: Mapping[str, Tensor],
                       keep: Sequence[Keep] = (), skip: Sequence[str] = (), fit: Fit | None = None) -> Conversion:
    """Rename all tensors of a state dict and check them against a target.

    Args:
        source: tensors by the other project's names.
        rules: tried in order for every name.
        target: ``state_dict()`` of our network (on any device, the meta device included); gives names and shapes.
        keep: tensors of the target that may stay as they are.
        skip: regular expressions of our names that are not to be filled, though the source may hold them. Each must
            match something.
        fit: gives a value the form that the target needs, from its name of ours and its value.

    Returns:
        What to load, strictly unless tensors are kept.

    Raises:
        ConversionError: a source no rule knows, two sources for one target, a name or shape that the target does not
            have, a target without source, a second name with other values, or a ``skip`` that matches nothing.
    """
    result, origin, problems, copies = Conversion({}), {}, [], {}
    for name, value in source.items():
        found = rename(name, rules)
        if found is None:
            problems.append(f'no rule for {name!r} {tuple(value.shape)}{_near(name, [rule.pattern for rule in rules])}')
            continue
        new, rule = found
        if isinstance(new, Drop):
            result.dropped[name] = new.reason
            copies.update({} if new.same_as is None else {name: new.same_as})
            continue
        if _matches(new, skip):
            result.dropped[name] = FRESH
            continue
        value = value if rule.change is None else rule.change(value)
        value = fit(new, value) if fit is not None and new in target else value
        if new in origin:
            problems.append(f'{origin[new]!r} and {name!r} both become {new!r}')
        elif new not in target:
            problems.append(f'not known: {new} {tuple(value.shape)}{_from(name, new)}{_near(new, target)}')
        elif not _same_form(new, value, target[new]):
            problems.append(f'shape of {new}: expected {_shape(target[new])}, found {_shape(value)}{_from(name, new)}')
        result.state_dict[new], origin[new] = value, name
    problems += _other_values(source, copies, result)
    for name in target:
        if name not in result.state_dict:
            _fill(name, target[name], keep, skip, result, problems)
    problems += [f'skip {pattern!r} matches no tensor of the network{_near(pattern, target)}'
                 for pattern in skip if not any(re.fullmatch(pattern, name) for name in target)]
    if problems:
        more = f'\n  and {len(problems) - SHOWN} more' if len(problems) > SHOWN else ''
        shown = '\n  '.join(problems[:SHOWN])
        raise ConversionError(f'{len(problems)} problems; is the file of another network, or the config of another '
                              f'size?\n  {shown}{more}')
    return result


def _fill(name: str, wanted: Tensor, keep: Sequence[Keep], skip: Sequence[str], result: Conversion,
          problems: list[str]) -> None:
    """Note what becomes of a tensor of the target that no source fills."""
    row = next((row for row in keep if re.fullmatch(row.pattern, name)), None)
    if _matches(name, skip):
        result.kept[name] = FRESH
    elif row is None:
        problems.append(f'missing: {name} {_shape(wanted)}')
    else:
        result.kept[name] = row.reason
        if row.zeros:
            result.state_dict[name] = torch.zeros(tuple(wanted.shape), dtype=wanted.dtype)


def _other_values(source: Mapping[str, Tensor], copies: Mapping[str, str], result: Conversion) -> list[str]:
    """Problems of tensors that are dropped as second names."""
    problems = []
    for name, new in copies.items():
        first, second = result.state_dict.get(new), source[name]
        if first is None:
            problems.append(f'{name!r} is taken as second name of {new!r}, which nothing fills')
        elif first.shape != second.shape or not (first.is_meta or second.is_meta or torch.equal(first, second)):
            problems.append(f'{name!r} is taken as second name of {new!r}, but holds other values')
    return problems


def _same_form(name: str, value: Tensor, wanted: Tensor) -> bool:
    """Whether shapes agree, and both are fractions or both whole numbers; a vocabulary is of any length."""
    free = name.endswith('_extra_state')
    return value.is_floating_point() == wanted.is_floating_point() and (free or value.shape == wanted.shape)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def _shape(value: Tensor) -> str:
    return f'{tuple(value.shape)}{"" if value.is_floating_point() else f" {value.dtype}"}'


def _from(name: str, new: str) -> str:
    return '' if name == new else f' (from {name})'


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f' (nearest: {near[0]!r})' if near else ''


# ------------------------------------------------------------ files of a known origin


def weights_of(content: Any) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, without the wrapping of training tools: of its entry ``state_dict``, ``model``
    or ``network``, or of the file itself; ``module.`` is cut off.

    Raises:
        ConversionError: there are none.
    """
    state = content
    for key in ('state_dict', 'model', 'network'):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            state = content[key]
            break
    tensors = state.items() if isinstance(state, Mapping) else ()
    found = {name.removeprefix('module.'): value for name, value in tensors
             if isinstance(name, str) and isinstance(value, Tensor)}
    if not found:
        what = f'entries {sorted(map(str, state))[:SHOWN]}' if isinstance(state, Mapping) else type(content).__name__
        raise ConversionError('expected weights by name, alone or under "model", "network" or "state_dict", found '
                              f'{what}')
    return found


@dataclass(frozen=True)
class WeightFormat:
    """Weights as another project writes them; a module of :mod:`mmlvs.io.conversions` lists its own in ``FORMATS``.

    Attributes:
        name: for the command line.
        about: one line for the command line.
        part: what the weights are of, a key of our configs: ``'model'``, ``'backbone'``, ``'text_encoder'``.
        rules: from their names, and from our own, to ours.
        keep: tensors of ours that such files need not hold.
        prefixes: before the names when the part lies in a larger network; the first that occurs is cut off, and tensors
            without it are dropped.
        settings: gives what names and shapes (ours) tell of the settings of the part.
        configs: pattern of the shipped configs (below ``configs/``) one of which agrees with that and has the rest.
            None: there is no rest.
        counts: settings in which a config need not agree, because the weights' own numbers can take their place.
        remarks: gives sentences for the user about converted tensors (ours), such as what their values tell.
    """

    name: str
    about: str
    part: str
    rules: tuple[Rule, ...]
    keep: tuple[Keep, ...] = ()
    prefixes: tuple[str, ...] = ()
    settings: Callable[[Mapping[str, Tensor]], dict[str, Any]] | None = None
    configs: str | None = None
    counts: tuple[str, ...] = ()
    remarks: Callable[[Mapping[str, Tensor]], list[str]] | None = None

    def tensors(self, content: Any) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Tensors of the part by their names in it, and reasons for those outside of it, from the content of a
        file."""
        state = weights_of(content)
        for prefix in self.prefixes:
            inside = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            if inside:
                reason = f'not under {prefix!r}, so not of the {self.part.replace("_", " ")}'
                return inside, {name: reason for name in state if not name.startswith(prefix)}
        return state, {}

    def keep_for(self, state: Mapping[str, Tensor]) -> tuple[Keep, ...]:
        """Tensors of ours that these weights need not hold."""
        return self.keep

    def recognise(self, content: Any) -> dict[str, Any]:
        """Settings that the names and shapes in a file tell.

        Raises:
            ConversionError: the file is of another kind, or this format tells nothing.
        """
        state, _ = self.tensors(content)
        if self.settings is None:
            raise ConversionError(f'names and shapes of {self.name} weights do not tell their settings: name a config')
        try:
            return self.settings(rename_known(state, self.rules))
        except KeyError as error:
            raise ConversionError(f'no {self.about}: nothing in the file becomes {error}; it holds '
                                  f'{len(state)} tensors such as {sorted(state)[:3]}') from error

    def convert(self, content: Any, target: Mapping[str, Tensor], skip: Sequence[str] = (),
                fit: Fit | None = None) -> Conversion:
        """:func:`convert_state_dict` of the content of a file."""
        state, outside = self.tensors(content)
        result = convert_state_dict(state, self.rules, target, self.keep_for(state), skip, fit)
        result.dropped.update(outside)
        return result


OURS = WeightFormat(name='mmlvs', about='weights of this toolbox', part='model', rules=(Rule('(.*)', r'\1'), ))
"""Our own files, which need no new names."""
