"""Turn weights of another project into ours.

    python tools/model_converters/convert.py referformer SRC.pth DST.safetensors
    python tools/model_converters/convert.py referformer --manifest FILE.json --dry-run

Writes DST.safetensors and, beside it, DST.json: a config with the settings of the network. Every tensor of the source
is taken, or dropped for a stated reason; every tensor of the network is filled; anything else is an error.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if (ROOT / 'mmlvs').is_dir() and str(ROOT) not in sys.path:  # a checkout works without being installed
    sys.path.insert(0, str(ROOT))

from mmlvs.io.checkpoint import CheckpointError  # noqa: E402
from mmlvs.io.conversion import ConversionError  # noqa: E402
from mmlvs.io.conversions import formats  # noqa: E402
from mmlvs.io.weight_files import (  # noqa: E402
    check_target,
    convert_content,
    find_weights_file,
    read_manifest,
    read_weights,
    write_converted,
)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    known = formats()
    listed = '\n'.join(f'  {form.name:12} {form.about}' for form in known.values())
    parser = argparse.ArgumentParser(description=__doc__, epilog=f'formats:\n{listed}',
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('format', choices=known, metavar='FORMAT', help=f'what SRC is: {", ".join(known)}')
    parser.add_argument('source', nargs='?', metavar='SRC', help='file to convert; never run as a program')
    parser.add_argument('target', nargs='?', metavar='DST', help='file to write, ends in .safetensors')
    parser.add_argument('--config', help='config with the settings of the network; else they follow from the weights')
    parser.add_argument('--manifest', metavar='FILE', help='check names and shapes of a JSON list instead of a file')
    parser.add_argument('--dry-run', action='store_true', help='check everything, write nothing')
    args = parser.parse_args(arguments)
    if args.manifest:
        if args.source or args.target:
            parser.error('--manifest stands in for SRC and has nothing to write to DST: give one or the other')
        if not args.dry_run:
            parser.error('a manifest has no values to write: add --dry-run')
    elif not args.source or not (args.target or args.dry_run):
        parser.error('SRC and DST are needed (or SRC --dry-run, or --manifest FILE --dry-run)')
    return args


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    form, source = formats()[args.format], args.manifest or args.source
    try:
        if args.target:
            check_target(args.target)
        content = read_manifest(source) if args.manifest else read_weights(source)
        try:
            converted = convert_content(content, form, configs=ROOT / 'configs', config=args.config)
        except ConversionError as error:
            raise ConversionError(f'{source}: {error}') from error
        print(f'{source}: {form.about}')
        print(f'settings from {converted.origin}')
        print(f'{converted.weights.summary()}\n{converted.filled} tensors of the network accounted for')
        for remark in form.remarks(converted.weights.state_dict) if form.remarks else ():
            print(remark)
        if args.dry_run:
            print('dry run: everything fits, nothing was written')
            return 0
        for path in write_converted(args.target, converted, form, find_weights_file(source).name):
            print(f'wrote {path}')
    except (CheckpointError, ConversionError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
