"""From a file with weights of another project to a file with ours, and the settings of the network beside it."""

import argparse
import inspect
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from mmlvs.io.atomic import atomic_path, write_json
from mmlvs.io.checkpoint import CheckpointError, load_checkpoint_file, safe_globals
from mmlvs.io.conversion import Conversion, ConversionError, WeightFormat
from mmlvs.registry import MODELS

_FOLDER_FILES = ('model.safetensors', 'pytorch_model.bin')
_STARTS = ('init_cfg', 'pretrained')


def find_weights_file(path: str | os.PathLike) -> Path:
    """The file with the weights at a path: the file itself, or the one that transformers would take from a folder.

    Raises:
        FileNotFoundError: a folder without such a file.
    """
    place = Path(path).expanduser()
    if not place.is_dir():
        return place
    for name in _FOLDER_FILES:
        if (place / name).is_file():
            return place / name
    found = sorted(entry.name for entry in place.iterdir())
    raise FileNotFoundError(f'expected {" or ".join(_FOLDER_FILES)} in {place}, found {found}')


def read_weights(path: str | os.PathLike) -> dict[str, Any]:
    """Content of a file of another project, opened as data. Of classes that are no data, only the record of command
    line options that training scripts leave in their files is let through.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: the file is broken, or would have to run code to be read.
    """
    path = find_weights_file(path)
    try:
        with safe_globals([argparse.Namespace, Counter]):
            return load_checkpoint_file(path)
    except CheckpointError as error:
        cause = str(error.__cause__).strip().splitlines() or ['no reason is given']
        raise CheckpointError(f'checkpoint {path} cannot be read as data, and nothing in it is run: {cause[0]}\n'
                              'Fetch it again from where it was published; if it is whole, it holds objects beside its '
                              'weights: save its weights alone where you trust it.') from error


def read_manifest(path: str | os.PathLike) -> dict[str, Tensor]:
    """Tensors without values from a JSON file ``{name: [type, *shape]}``, on the meta device.

    Raises:
        FileNotFoundError: no such file.
        ConversionError: the file is of another form.
    """
    try:
        rows = json.loads(Path(path).expanduser().read_text(encoding='utf-8'))
        return {name: torch.empty([int(n) for n in shape], dtype=getattr(torch, kind), device='meta')
                for name, (kind, *shape) in rows.items()}
    except FileNotFoundError as error:
        raise FileNotFoundError(f'manifest {path} does not exist') from error
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise ConversionError(f'manifest {path}: expected JSON of the form {{"name": ["float32", 3, 4], ...}} ({error})'
                              ) from error


@dataclass
class Converted:
    """A conversion with the settings of the network that it fills.

    Attributes:
        weights: the tensors, and what became of the others.
        settings: of the network.
        origin: where the settings are from, for the report.
        filled: tensors of the network.
    """

    weights: Conversion
    settings: dict[str, Any]
    origin: str
    filled: int


def convert_content(content: Any, form: WeightFormat, *, configs: Path, config: str | os.PathLike | None = None
                    ) -> Converted:
    """Convert the content of a file, or of a manifest, and hold it against the network on the meta device.

    Args:
        content: what :func:`read_weights` or :func:`read_manifest` gave.
        form: how the weights are named.
        configs: the folder of our configs, searched for the one that agrees with the weights.
        config: config with the settings; None: they follow from names and shapes.

    Raises:
        ConversionError: the weights do not fit; every misfit is listed.
    """
    if config is not None:
        settings, origin = _settings_of(config, form.part), str(config)
    else:
        settings, origin = find_settings(form, form.recognise(content), configs)
    with torch.device('meta'):
        target = MODELS.build(settings).state_dict()
    try:
        return Converted(form.convert(content, target), settings, origin, len(target))
    except ConversionError as error:
        raise ConversionError(f'against {origin}: {error}') from error


def find_settings(form: WeightFormat, told: Mapping[str, Any], configs: Path) -> tuple[dict[str, Any], str]:
    """Complete settings from what the weights tell.

    Args:
        form: how the weights are named.
        told: settings that names and shapes tell.
        configs: the folder of our configs.

    Returns:
        The settings, and where they are from.

    Raises:
        ConversionError: no config agrees, or several do.
    """
    if form.configs is None:
        return dict(told), 'names and shapes'
    fixed = {key: value for key, value in told.items() if key not in form.counts}
    agreeing = [path for path in sorted(configs.glob(form.configs)) if agrees(_settings_of(path, form.part), fixed)]
    if len(agreeing) != 1:
        what = f'{len(agreeing)} configs ({", ".join(path.name for path in agreeing)}) agree' if agreeing else (
            f'no config {configs / form.configs} agrees')
        raise ConversionError(f'{what} with what names and shapes tell: {fixed}; name a config')
    settings = {**_settings_of(agreeing[0], form.part), **{key: told[key] for key in form.counts}}
    return settings, str(agreeing[0].relative_to(configs.parent))


def agrees(settings: Any, told: Any) -> bool:
    """Whether settings, with the defaults of their types where they are silent, are as ``told`` says."""
    if isinstance(told, Mapping):
        if not isinstance(settings, Mapping):
            return False
        full = {**_defaults(settings.get('type')), **settings}
        return all(key in full and agrees(full[key], value) for key, value in told.items())
    if isinstance(told, (list, tuple)):
        return isinstance(settings, (list, tuple)) and list(settings) == list(told)
    return settings == told


def _defaults(kind: Any) -> dict[str, Any]:
    """Default settings of a registered type."""
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    if found is None:
        return {}
    parameters = inspect.signature(found).parameters.values()
    return {row.name: row.default for row in parameters if row.default is not row.empty}


def _settings_of(config: str | os.PathLike, part: str) -> dict[str, Any]:
    """Settings of a part in a config, without the files that a training starts from.

    Raises:
        FileNotFoundError: no such config.
        ConversionError: there is no such part.
    """
    found = Config.fromfile(config).to_dict()
    settings = found.get(part) or (found.get('model') or {}).get(part)
    if not settings:
        raise ConversionError(f'config {config} has no settings of a {part.replace("_", " ")}')
    return without_starts(settings)


def without_starts(value: Any) -> Any:
    """Settings without the files that a training starts from, at any depth."""
    if isinstance(value, Mapping):
        return {key: without_starts(inner) for key, inner in value.items() if key not in _STARTS}
    return [without_starts(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def write_converted(path: str | os.PathLike, converted: Converted, form: WeightFormat,
                    source: str) -> tuple[Path, Path]:
    """Write the weights as ``.safetensors`` and beside them, as ``.json``, a config with the settings of their network
    and a record of the conversion. Each file is written whole or not at all.

    Args:
        path: ends in ``.safetensors``.
        converted: what :func:`convert_content` gave for weights with values.
        form: how the weights were named.
        source: name of the file that they are from.

    Returns:
        Paths of both files.

    Raises:
        ValueError: another suffix.
    """
    from safetensors.torch import save_file

    weights, settings = check_target(path), converted.settings
    record = dict(format=form.name, source=source, settings_from=converted.origin,
                  dropped=_by_reason(converted.weights.dropped), kept=_by_reason(converted.weights.kept))
    with atomic_path(weights) as temporary:
        save_file(_own_storage(converted.weights.state_dict), temporary, metadata={'format': 'pt'})
    config = write_json(weights.with_suffix('.json'), dict(
        default_scope='mmlvs', _vars_converted_=['conversion', *([] if form.part == 'model' else [form.part])],
        conversion=record, **{form.part: settings}))
    return weights, config


def check_target(path: str | os.PathLike) -> Path:
    """The path itself, if it can be that of converted weights.

    Raises:
        ValueError: it does not end in ``.safetensors``.
    """
    path = Path(path).expanduser()
    if path.suffix != '.safetensors':
        raise ValueError(f'{path}: converted weights are written as safetensors; name a file that ends in .safetensors')
    return path


def _own_storage(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, each contiguous and in memory of its own, as safetensors wants them."""
    seen: set[int] = set()
    result = {}
    for name, value in state.items():
        storage = value.untyped_storage()
        shared = storage.data_ptr() in seen or storage.nbytes() != value.nbytes
        seen.add(storage.data_ptr())
        result[name] = value.detach().clone(memory_format=torch.contiguous_format) if shared else (
            value.detach().contiguous())
    return result


def _by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    return {reason: [name for name, why in reasons.items() if why == reason]
            for reason in dict.fromkeys(reasons.values())}
