"""Print a config with everything it inherits.

    python tools/misc/print_config.py CONFIG
    python tools/misc/print_config.py CONFIG --key model.backbone --cfg-options model.num_queries=8
    python tools/misc/print_config.py CONFIG --check    # fails when a key is unknown
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict, DictAction

from mmlvs.engine.entry import load_config
from mmlvs.io.atomic import atomic_path
from mmlvs.utils import check_config
from mmlvs.utils.config_check import ConfigKeyError


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--key', help='print only this part, such as train_dataloader.dataset.pipeline.0')
    parser.add_argument('--check', action='store_true',
                        help='also see that every key is known, as training does; exit with 1 if not')
    parser.add_argument('--out', type=Path, help='also write the config to this .py, .json or .yml file')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override settings: key=value ...')
    args = parser.parse_args(arguments)
    if args.out is not None and args.out.suffix not in ('.py', '.json', '.yml', '.yaml'):
        parser.error(f'--out {args.out}: expected a name that ends in .py, .json or .yml')
    return args


def part_of(cfg: Config, key: str) -> Any:
    """The value at a dotted path; numbers are positions in lists.

    Raises:
        KeyError: there is none; the message names what there is.
    """
    value: Any = cfg
    for depth, step in enumerate(key.split('.')):
        names = list(value.keys()) if hasattr(value, 'keys') else [str(i) for i in range(len(value))] if isinstance(
            value, (list, tuple)) else []
        if step not in names:
            place = '.'.join(key.split('.')[:depth]) or 'the config'
            raise KeyError(f'{place} has no {step!r}; it has {", ".join(names) or "no parts"}')
        value = value[step] if hasattr(value, 'keys') else value[int(step)]
    return value


def text_of(cfg: Config, key: str | None) -> str:
    """The config, or a part of it, as Python."""
    if key is None:
        return cfg.pretty_text
    value, name = part_of(cfg, key), key.rpartition('.')[2]
    return Config(ConfigDict({name if name.isidentifier() else 'value': value})).pretty_text


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    try:
        cfg = load_config(args.config, args.cfg_options)
        text = text_of(cfg, args.key)
    except (FileNotFoundError, KeyError) as error:
        print(f'error: {error.args[0] if isinstance(error, KeyError) else error}', file=sys.stderr)
        return 1
    print(text.rstrip())
    if args.out is not None:
        with atomic_path(args.out) as temporary:
            cfg.dump(str(temporary))
    if args.check:
        cfg.setdefault('default_scope', 'mmlvs')
        try:
            check_config(cfg)
        except ConfigKeyError as error:
            print(f'error: {args.config}: {error}', file=sys.stderr)
            return 1
        print('# every key is known')
    return 0


if __name__ == '__main__':
    sys.exit(main())
