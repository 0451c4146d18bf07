"""Recorded parity cases: deterministic weights and inputs, and one reader for all cases.

A case never ships a checkpoint.  Both sides fill a state dict with the values that :func:`fill` derives from each
parameter's *reference* name and shape, so a few kilobytes pin a whole network.

A case is a folder with ``case.json`` (schema 2: ``method``, ``case``, ``kind``, ``purpose``, ``settings``, ``weights``,
``inputs``, ``outputs``, ``tolerance``) and, as needed, ``manifest.json``, ``inputs.npz``, ``outputs.npz`` or further
small files.  ``python parity.py CASE_DIR...`` says whether cases are well-formed; ``tools/analysis_tools/
check_parity.py`` runs them.
"""
import argparse
import ast
import hashlib
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

SCHEMA = 2
KINDS = ('network', 'module', 'loss', 'train_step', 'postprocess', 'preprocess', 'metric', 'data', 'conversion')
COMPARE = ('rel_max', 'abs', 'equal')
SOURCES = ('formula', 'file', 'case', 'value')


class UnknownCase(Exception):
    """Raised by an adapter that has no handler for a case; the message says what it looked for."""


class Comparison(NamedTuple):
    """One output held against its record."""

    error: float
    tolerance: float
    passed: bool
    reason: str = ''


def _generator(name: str, seed: int) -> np.random.Generator:
    digest = hashlib.sha256(f'{seed}:{name}'.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], 'little')))


def fill(name: str, shape, seed: int = 0) -> np.ndarray:
    """Values of one floating-point parameter or buffer, float32.

    * ``*running_var``: uniform in [0.5, 1.5)
    * ``*running_mean``, ``*bias`` and any other 1-D tensor not named ``*weight``: normal, std 0.1
    * 1-D ``*weight`` (normalisation scales): 1 + normal, std 0.1
    * 0-D: 1 + normal, std 0.1
    * 2-D and up: normal, std 1 / sqrt(fan_in), fan_in = elements of shape[1:]
    """
    g = _generator(name, seed)
    shape = tuple(shape)
    if name.endswith('running_var'):
        out = g.random(shape) + 0.5
    elif len(shape) == 0:
        out = 1 + 0.1 * g.standard_normal()
    elif len(shape) == 1:
        out = 0.1 * g.standard_normal(shape)
        if name.endswith('weight'):
            out = out + 1
    else:
        fan_in = int(np.prod(shape[1:]))
        out = g.standard_normal(shape) / np.sqrt(max(fan_in, 1))
    return np.asarray(out, dtype=np.float32)


def inputs(name: str, shape, seed: int = 0, kind: str = 'normal', high: int = 2) -> np.ndarray:
    """A deterministic input array: ``normal`` (float32), ``uniform`` in [0, 1) (float32), ``uint8`` (0..255) or
    ``int`` (int64 in 0..high-1)."""
    g = _generator('input:' + name, seed)
    if kind == 'normal':
        return g.standard_normal(shape).astype(np.float32)
    if kind == 'uniform':
        return g.random(shape).astype(np.float32)
    if kind == 'uint8':
        return g.integers(0, 256, shape).astype(np.uint8)
    if kind == 'int':
        return g.integers(0, high, shape).astype(np.int64)
    raise ValueError(f'input {name!r}: unknown kind {kind!r}, expected normal, uniform, uint8 or int')


def write_manifest(state_dict, path) -> None:
    """Save ``{name: [dtype, *shape]}`` of a torch state dict."""
    rows = {k: [str(v.dtype).replace('torch.', ''), *v.shape] for k, v in state_dict.items()}
    Path(path).write_text(json.dumps(rows, indent=0))


def reference_state_dict(manifest, seed: int = 0, scale=(), alias=()) -> dict[str, np.ndarray]:
    """Filled reference state dict ``{name: float32 array}``; integer and bool buffers are left out (they are derived
    from the settings, not learned).

    ``scale``: ``[{pattern, factor}]``, factors of the tensors whose whole name matches.  ``alias``: ``[{pattern,
    name}]``, regular-expression substitution that gives the name under which a shared tensor is filled.
    """
    if not isinstance(manifest, dict):
        manifest = json.loads(Path(manifest).read_text())
    out = {}
    for name, (dtype, *shape) in manifest.items():
        if not dtype.startswith(('float', 'bfloat')):
            continue
        known = name
        for row in alias:
            known = re.sub(row['pattern'], row['name'], known)
        value = fill(known, shape, seed)
        for row in scale:
            if re.fullmatch(row['pattern'], name):
                value = value * np.float32(row['factor'])
        out[name] = value
    return out


def parse_slice(text: str) -> tuple:
    """The index that a ``slice`` row writes, e.g. ``'[:, ::4]'`` -> ``(slice(None), slice(None, None, 4))``.

    Only integers, slices and the ellipsis are read; anything else raises ValueError (nothing is executed).
    """
    def number(node):
        return None if node is None else ast.literal_eval(node)

    def part(node):
        if isinstance(node, ast.Slice):
            return slice(number(node.lower), number(node.upper), number(node.step))
        return ast.literal_eval(node)

    try:
        node = ast.parse('a' + text.strip(), mode='eval').body
        if not isinstance(node, ast.Subscript) or not isinstance(node.value, ast.Name):
            raise ValueError('not a subscript')
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        index = tuple(part(p) for p in parts)
    except (SyntaxError, ValueError) as error:
        raise ValueError(f'slice {text!r}: expected an index like "[:, ::4]" ({error})') from error
    if not all(p is Ellipsis or isinstance(p, (int, slice)) for p in index):
        raise ValueError(f'slice {text!r}: expected integers, slices and "..." only')
    return index


class BlindCase(SimpleNamespace):
    """What an adapter sees of a case: everything but the recorded values.

    ``dir``, ``root``, ``data_root``, ``method``, ``case``, ``kind``, ``purpose``, ``settings``, ``inputs``,
    ``tolerance``, ``run``, ``batching``, ``output_names`` (list), ``output_rows`` (name -> row: shape, axes, slice,
    labels, ...) and ``state_dict()``.
    """


class Case:
    """One case directory, read.  Attributes mirror ``case.json``.

    Args:
        directory: folder with ``case.json``.
        root: folder of the sibling cases that ``from: case`` inputs name; the parent of ``directory`` by default.

    ``inputs``: ``{name: array or JSON value}``, all materialised.  ``state_dict()``: filled reference weights.
    ``expected()``: recorded outputs ``{name: array}``; an adapter under test gets :meth:`blind` instead.
    """

    def __init__(self, directory, root=None):
        self.dir = Path(directory)
        self.spec = json.loads((self.dir / 'case.json').read_text())
        for key in ('method', 'case', 'kind', 'purpose', 'settings', 'tolerance', 'run', 'batching'):
            setattr(self, key, self.spec.get(key))
        self.root = Path(root) if root else self.dir.parent
        self._files: dict[str, Any] = {}
        self.inputs = {k: self._materialise(v) for k, v in self.spec['inputs'].items()}

    @property
    def output_rows(self) -> dict[str, dict]:
        """Output name -> its row of ``case.json`` (no values)."""
        return self.spec['outputs']

    @property
    def output_names(self) -> list[str]:
        """Names of the recorded outputs."""
        return list(self.spec['outputs'])

    def blind(self, data_root=None) -> BlindCase:
        """The view of this case that adapters get: no recorded values of its own.

        ``data_root``: folder below which ``settings`` and ``inputs`` name files; by default the folder beside the
        folder of all methods' cases.
        """
        if data_root is None:
            parents = self.dir.resolve().parents
            data_root = parents[2] if len(parents) > 2 else parents[-1]
        names = ('dir', 'root', 'method', 'case', 'kind', 'purpose', 'settings', 'inputs', 'tolerance', 'run',
                 'batching', 'output_names', 'output_rows', 'state_dict')
        return BlindCase(data_root=Path(data_root), **{name: getattr(self, name) for name in names})

    def _file(self, path):
        path = str(path)
        if path not in self._files:
            if path.endswith('.json'):
                self._files[path] = json.loads(Path(path).read_text())
            else:
                with np.load(path, allow_pickle=False) as data:
                    self._files[path] = dict(data)
        return self._files[path]

    def _materialise(self, row):
        source = row['from']
        if source == 'formula':
            value = inputs(row['name'], row['shape'], row['seed'], row.get('kind', 'normal'), row.get('high', 2))
            if row.get('scale', 1) != 1 or row.get('shift', 0) != 0:
                value = value * value.dtype.type(row.get('scale', 1)) + value.dtype.type(row.get('shift', 0))
        elif source == 'file':
            value = self._file(self.dir / row.get('file', 'inputs.npz'))
            value = value[row['key']] if 'key' in row else value
        elif source == 'case':  # an array recorded in a sibling case: 'inputs' or 'outputs'
            other = self.root / row['case']
            value = self._file(other / f"{row.get('part', 'outputs')}.npz")[row['key']]
        elif source == 'value':
            value = row['value']
            if 'dtype' in row:
                value = np.asarray(value, dtype=row['dtype'])
        else:
            raise ValueError(f'{self.dir}: unknown source {source!r}, expected one of {SOURCES}')
        if isinstance(value, np.ndarray) and row.get('packed_width'):  # boolean, packed along the last axis
            value = np.unpackbits(value, axis=-1)[..., :row['packed_width']].astype(bool)
        if isinstance(value, np.ndarray) and 'dtype' in row:
            value = value.astype(row['dtype'])
        return value

    def state_dict(self) -> dict[str, np.ndarray]:
        """Reference weights ``{reference name: float32 array}``; empty for a case without weights."""
        w = self.spec.get('weights')
        if not w:
            return {}
        manifest = json.loads((self.dir / w.get('manifest', 'manifest.json')).read_text())
        state = reference_state_dict(manifest, w['seed'], w.get('scale', ()), w.get('alias', ()))
        for name, row in w.get('override', {}).items():  # tensors that the rule does not give
            state[name] = np.asarray(self._materialise(row), dtype=np.float32).reshape(manifest[name][1:])
        return state

    def expected_output(self, name: str):
        """The recorded value of one output."""
        row = self.spec['outputs'][name]
        return self._file(self.dir / row.get('file', 'outputs.npz'))[row.get('key', name)]

    def expected(self) -> dict[str, Any]:
        """All recorded outputs ``{name: array or JSON value}``."""
        return {name: self.expected_output(name) for name in self.spec['outputs']}

    def tolerance_of(self, name: str, dtype: str = 'float64') -> tuple[str, float, int]:
        """(rule, limit, allowed differing elements) of one output."""
        tol = {**self.tolerance, **self.spec['outputs'][name].get('tolerance', {})}
        return tol.get('compare', 'rel_max'), tol.get(dtype, tol.get('float64', 0)), tol.get('differing', 0)

    def compare_output(self, name: str, have, dtype: str = 'float64') -> Comparison:
        """Hold one output against its record; see :meth:`compare`."""
        how, limit, differing = self.tolerance_of(name, dtype)
        try:
            want = self.expected_output(name)
        except (OSError, KeyError, ValueError) as error:
            return Comparison(float('inf'), limit, False, f'no record: {type(error).__name__}: {error}')
        if not isinstance(want, (np.ndarray, list)) and not np.isscalar(want):
            same = bool(have == want)
            return Comparison(float(not same), 0, same, '' if same else 'differs from the recorded JSON value')
        want = np.asarray(want, dtype=float if _has_none(want) else None)
        have = np.asarray(have, dtype=float if _has_none(have) else None)
        if have.shape != want.shape and self.spec['outputs'][name].get('slice'):
            have = have[parse_slice(self.spec['outputs'][name]['slice'])]
        if have.shape != want.shape:
            return Comparison(float('inf'), limit, False, f'shape {have.shape}, expected {want.shape}')
        if how == 'equal' or want.dtype.kind not in 'fc':
            unequal = np.asarray(have != want)
            if have.dtype.kind in 'fc' and want.dtype.kind in 'fc':
                unequal &= ~(np.isnan(have) & np.isnan(want))
            wrong = int(np.sum(unequal))
            return Comparison(float(wrong), differing, wrong <= differing,
                              '' if wrong <= differing else f'{wrong} of {want.size} elements differ')
        if have.dtype.kind not in 'fciub':
            return Comparison(float('inf'), limit, False, f'dtype {have.dtype}, expected numbers')
        kind = complex if 'c' in (have.dtype.kind, want.dtype.kind) else float
        have, want = have.astype(kind), want.astype(kind)
        misplaced = int(np.sum(np.isnan(have) != np.isnan(want)))
        known = ~np.isnan(want) & ~np.isnan(have)
        have, want = have[known], want[known]
        if want.size == 0:
            return Comparison(0.0 if not misplaced else float('inf'), limit, not misplaced,
                              '' if not misplaced else f'NaN in {misplaced} places where the record differs')
        moved = have != want  # equal infinities have no difference
        error = float(np.max(np.abs(have[moved] - want[moved]))) if moved.any() else 0.0
        if how == 'rel_max':
            finite = np.abs(want[np.isfinite(want)])
            error = error / max(float(finite.max()) if finite.size else 0.0, 1e-12)
        reason = f'NaN in {misplaced} places where the record differs' if misplaced else ''
        return Comparison(error, limit, bool(not misplaced and error <= limit), reason)

    def compare(self, got: dict, dtype: str = 'float64') -> dict[str, tuple[float, float, bool]]:
        """``{output: (error, tolerance, passed)}`` of ``got`` = ``{output: array}``.

        A float output passes when max |got - expected| / max |expected| (``rel_max``) or max |got - expected| (``abs``)
        is within tolerance and NaN stands exactly where it stands in the record; ``equal`` (and every integer or bool
        output) wants identity but for ``differing`` elements.  An output missing from ``got`` fails.  ``slice`` says
        which part of the full array was recorded: ``got`` may be the full array or the part.
        """
        report = {}
        for name in self.spec['outputs']:
            if name in got:
                report[name] = tuple(self.compare_output(name, got[name], dtype))[:3]
            else:
                report[name] = (float('inf'), self.tolerance_of(name, dtype)[1], False)
        return report


def _has_none(value) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_none(v) for v in value)
    return value is None


def moved(case: Case, name: str, dtype: str = 'float64', times: float = 10):
    """The recorded output ``name`` moved by ``times`` its tolerance, in one element or as few as break the rule.

    Numbers move by ``times * tolerance`` (``rel_max``: of the largest magnitude) in the place where it shows; exact
    outputs get ``times * differing`` elements changed, at least one more than allowed; a record of NaN alone gets a
    number, an empty record an element.  Returns None where no change can break the rule: more elements may differ than
    there are.
    """
    want = case.expected_output(name)
    how, limit, differing = case.tolerance_of(name, dtype)
    if not isinstance(want, (np.ndarray, list)) and not np.isscalar(want):
        return {'moved': want}
    value = np.array(want, dtype=float if _has_none(want) else None, order='C')
    if value.size == 0:
        return np.zeros(1)
    flat = value.reshape(-1)  # a view: value is a fresh contiguous array
    if how == 'equal' or value.dtype.kind not in 'fc':
        count = min(max(int(times * differing), differing + 1), flat.size)
        if count <= differing:
            return None
        if value.dtype.kind == 'b':
            flat[:count] = ~flat[:count]
        elif value.dtype.kind in 'US':
            value = np.char.add(value, '?')
        else:
            flat[:count] = np.where(np.isnan(flat[:count]), 0, flat[:count] + 1) if value.dtype.kind == 'f' \
                else flat[:count] + 1
        return value
    value = value.astype(complex if value.dtype.kind == 'c' else np.float64, order='C')
    flat = value.reshape(-1)
    finite = np.flatnonzero(np.isfinite(flat))
    if not finite.size:
        flat[0] = 0
        return value
    at = finite[np.argmax(np.abs(flat[finite]))]
    scale = max(abs(flat[at]), 1e-12) if how == 'rel_max' else 1.0
    step = times * limit * scale
    flat[at] += step if step > 0 else np.spacing(abs(flat[at]))
    return value


def validate(directory) -> list[str]:
    """Problems of a case directory, as a list of str (empty: well-formed)."""
    bad = []
    d = Path(directory)
    try:
        spec = json.loads((d / 'case.json').read_text())
    except (OSError, ValueError) as e:
        return [f'case.json: {e}']
    for key, kind in dict(schema=int, method=str, case=str, kind=str, purpose=str, settings=dict, inputs=dict,
                          outputs=dict, tolerance=dict).items():
        if not isinstance(spec.get(key), kind):
            bad.append(f'{key}: expected {kind.__name__}, got {spec.get(key)!r}'[:120])
    if bad:
        return bad
    if spec['schema'] != SCHEMA:
        bad.append(f'schema {spec["schema"]}, expected {SCHEMA}')
    if spec['case'] != d.resolve().name:
        bad.append(f'case {spec["case"]!r} lies in folder {d.name!r}')
    if spec['kind'] not in KINDS:
        bad.append(f'kind {spec["kind"]!r} not in {KINDS}')
    for t in [spec['tolerance']] + [o['tolerance'] for o in spec['outputs'].values() if 'tolerance' in o]:
        if t.get('compare', 'rel_max') not in COMPARE:
            bad.append(f'tolerance.compare {t.get("compare")!r} not in {COMPARE}')
        bad += [f'tolerance.{k} is not a number' for k in ('float64', 'float32', 'differing')
                if k in t and not isinstance(t[k], (int, float))]
    if not any(k in spec['tolerance'] for k in ('float64', 'float32')) and spec['tolerance'].get('compare') != 'equal':
        bad.append('tolerance has no number')
    bad += [f'input {name}: no "from"' for name, row in spec['inputs'].items()
            if not isinstance(row, dict) or row.get('from') not in SOURCES]
    if bad:
        return bad
    try:
        case = Case(d)
    except Exception as e:  # whatever a broken file raises is the finding
        return [f'inputs: {type(e).__name__}: {e}']
    for name, row in spec['inputs'].items():
        v = case.inputs[name]
        if isinstance(v, np.ndarray) and 'shape' in row and list(v.shape) != list(row['shape']):
            bad.append(f'input {name}: shape {list(v.shape)}, stated {row["shape"]}')
        if 'meaning' not in row:
            bad.append(f'input {name}: no meaning')
    try:
        bad += [f'weight {k} not finite' for k, v in case.state_dict().items() if not np.isfinite(v).all()]
    except Exception as e:
        bad.append(f'weights: {type(e).__name__}: {e}')
    for name, row in spec['outputs'].items():
        try:
            if 'meaning' not in row:
                bad.append(f'output {name}: no meaning')
            result = case.compare_output(name, case.expected_output(name))
            if not result.passed:
                bad.append(f'output {name} does not equal itself: {result}')
            far = moved(case, name)
            if far is not None and case.compare_output(name, far).passed:
                bad.append(f'output {name} passes when moved by ten tolerances')
        except Exception as e:
            bad.append(f'output {name}: {type(e).__name__}: {e}')
    return bad


def main() -> None:
    """Validate the case directories named on the command line."""
    parser = argparse.ArgumentParser(description='Validate parity cases.')
    parser.add_argument('cases', nargs='+')
    cases = parser.parse_args().cases
    failed = 0
    for d in cases:
        problems = validate(d)
        failed += bool(problems)
        for p in problems:
            print(f'{d}: {p}')
    print(f'{len(cases) - failed} well-formed, {failed} not')
    sys.exit(bool(failed))


if __name__ == '__main__':
    main()
