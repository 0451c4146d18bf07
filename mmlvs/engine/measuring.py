"""What the measuring tools share: a model of random weights, one step of it, another form of it, a table of results."""

import csv
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmlvs.engine.synthetic import WORDS
from mmlvs.io.atomic import atomic_path
from mmlvs.models.text_encoders import WordTokenizer
from mmlvs.registry import MODELS
from mmlvs.utils import build
from mmlvs.utils.timing import Spread, Timing

MODES = ('forward', 'predict', 'train')


def build_for_measuring(setting: dict, *, device: torch.device | str = 'cpu', seed: int = 0) -> nn.Module:
    """A model of a config with random weights that reads synthetic sentences and keeps no results between calls.

    Tokenizers are replaced by one that knows the words of :func:`mmlvs.engine.synthetic.synthetic_texts` (a token a
    word, and two special ones), so that no pretrained folder is needed; the caches of text encoders are switched off.

    Args:
        setting: ``model`` of a config.
        device: where the model goes.
        seed: of its random weights.
    """
    torch.manual_seed(seed)
    model = build(setting, MODELS)
    for module in model.modules():
        if isinstance(getattr(module, 'tokenizer', None), nn.Module):
            module.tokenizer = WordTokenizer(max_size=len(WordTokenizer.special) + len(WORDS))
            module.tokenizer.build_vocabulary(WORDS)
        if hasattr(module, 'cache_size'):
            module.cache_size = 0
    return model.to(device)


def load_factory(name: str) -> Callable[[nn.Module], nn.Module]:
    """A function of a file that takes our model and returns the same network in another form: with the same weights,
    called the same way (``forward(inputs, data_samples, mode)``).

    Args:
        name: ``FILE.py:FUNCTION``.

    Raises:
        ValueError: the name has another form, or the file has no such function.
        FileNotFoundError: there is no such file.
    """
    file, _, function = name.rpartition(':')
    if not file.endswith('.py') or not function.isidentifier():
        raise ValueError(f'{name!r}: expected FILE.py:FUNCTION')
    if not os.path.isfile(file):
        raise FileNotFoundError(f'there is no file {file} to take {function} from')
    spec = importlib.util.spec_from_file_location(f'_mmlvs_factory_{Path(file).stem}', file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    if not callable(getattr(module, function, None)):
        raise ValueError(f'{file} defines no function {function}(model)')
    return getattr(module, function)


def step_of(model: nn.Module, data: dict, mode: str, *, amp: bool = False) -> Callable[[], Any]:
    """One forward pass, prediction or training step of a model on one batch, ready to be called again and again.

    Args:
        model: brought into training or evaluation mode by this call.
        data: a collated batch; it is preprocessed once, before.
        mode: one of :data:`MODES`. A training step is loss, gradients and an AdamW step at rate 0, which costs as much
            as another and leaves the weights as they are.
        amp: bfloat16 autocast.

    Raises:
        ValueError: unknown mode.
    """
    if mode not in MODES:
        raise ValueError(f'mode {mode!r}: expected one of {MODES}')
    model.train(mode == 'train')
    ready = model.data_preprocessor(data, mode == 'train')
    kind = next(model.parameters()).device.type

    def infer() -> Any:
        with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=amp):
            return model(**ready, mode='tensor' if mode == 'forward' else mode)

    if mode != 'train':
        return infer
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.0)

    def train() -> None:
        with torch.autocast(kind, torch.bfloat16, enabled=amp):
            losses = model(**ready, mode='loss')
        optimizer.zero_grad()
        sum(value for name, value in losses.items() if 'loss' in name).backward()
        optimizer.step()

    return train


def largest_difference(outputs: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor]) -> float:
    """Largest difference between two forms of a network, relative to the largest value of each output.

    Raises:
        ValueError: the outputs have other names or shapes; NaN in one of them.
    """
    shapes, other_shapes = ({name: tuple(x.shape) for name, x in each.items()} for each in (outputs, others))
    if shapes != other_shapes:
        raise ValueError(f'expected outputs {shapes}, found {other_shapes}')
    found = [float((outputs[name] - others[name]).abs().max() / outputs[name].abs().max().clamp(min=1e-12))
             for name in outputs if outputs[name].numel()]
    if any(value != value for value in found):
        raise ValueError('an output holds NaN')
    return max(found, default=0.0)


class MeasurementTable:
    """Results as lines to show and as rows of a CSV file.

    Args:
        conditions: what all rows share: settings and machine; the last columns of the file.
        show: gets every line.
    """

    def __init__(self, *, conditions: Mapping[str, str], show: Callable[[str], Any]) -> None:
        self.conditions, self.show = dict(conditions), show
        self.rows: list[dict] = []

    def timing(self, name: str, timing: Timing, *, amount: float = 0, unit: str = '', baseline: Timing | None = None,
               against: str = 'the baseline', note: str = '') -> None:
        """Median and middle half of a timing.

        Args:
            name: of the line.
            timing: seconds a repeat.
            amount: units done in a repeat, for a speed; 0 for none.
            unit: what they are.
            baseline: timing of the same rounds to compare with.
            against: its name.
            note: a remark at the end of the line.
        """
        spread = timing.spread
        row: dict[str, Any] = dict(name=name, median_s=spread.median, low_s=spread.low, high_s=spread.high,
                                   rounds=len(timing.seconds))
        line = f'{name:<34}{seconds(spread.median):>9}  ({seconds(spread.low)} .. {seconds(spread.high)})'
        if amount:
            row |= dict(per_second=amount / spread.median, unit=f'{unit}/s')
            line = f'{line:<70}{row["per_second"]:10.2f} {unit}/s'
        if baseline is not None:
            ratio = timing.times_faster_than(baseline)
            row |= dict(ratio=ratio.median, ratio_low=ratio.low, ratio_high=ratio.high, against=against)
            line = f'{line:<70}   {times(ratio)} the speed of {against}'
        self.rows.append(row)
        self.show(f'{line:<70}  {note}' if note else line)

    def value(self, name: str, value: float, text: str, **more: Any) -> None:
        """A number that is no time; ``text`` is what is shown, ``more`` are further columns."""
        self.rows.append(dict(name=name, value=value, **more))
        self.show(f'{name:<34}{text}')

    def write(self, path: str | os.PathLike) -> None:
        """Write the rows as CSV, atomically."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        with atomic_path(path) as temporary, open(temporary, 'w', newline='', encoding='utf-8') as file:
            writer = csv.DictWriter(file, fieldnames=[*columns, *self.conditions])
            writer.writeheader()
            writer.writerows({**row, **self.conditions} for row in self.rows)


def seconds(value: float) -> str:
    """Seconds in a unit that suits them."""
    return f'{value:.2f} s' if value >= 1 else f'{value * 1e3:.1f} ms' if value >= 1e-3 else f'{value * 1e6:.0f} us'


def times(spread: Spread) -> str:
    """A ratio and its middle half."""
    return f'{spread.median:.2f}x ({spread.low:.2f} .. {spread.high:.2f})'
