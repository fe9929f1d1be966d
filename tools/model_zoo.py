r"""The encoders that come with the package: list them, check their files, add one, and write their page.

Examples:
    python tools/model_zoo.py list
    python tools/model_zoo.py verify
    python tools/model_zoo.py page --out docs/zoo.md
    python tools/model_zoo.py add encoder.pth --name NAME --detector 'a small PointPillars' --config CONFIG \
        --data '208 simulated drives' --command 'python tools/train.py CONFIG' --results study/results.json \
        --arm finetuned-NAME
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from command_line import foreseen_errors

BEGIN, END = '<!-- encoders: begin -->', '<!-- encoders: end -->'


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest='action', required=True, metavar='ACTION')
    actions.add_parser('list', help='print the encoders')
    actions.add_parser('verify', help='compare each file with its recorded SHA-256')
    page = actions.add_parser('page', help='write the tables of the page from the records')
    page.add_argument('--out', type=Path, required=True, help='the page, with the two marks between which they stand')
    add = actions.add_parser('add', help='put an exported encoder into the zoo')
    add.add_argument('encoder', type=Path, help='the file')
    for name, text in dict(
        name='of the encoder', detector='whose trunk it is', config='of the pre-training', data='that it saw, in words'
    ).items():
        add.add_argument(f'--{name}', required=True, help=text)
    add.add_argument('--command', action='append', required=True, dest='commands', help='one that made it; repeatable')
    add.add_argument('--results', type=Path, help='results.json of tools/evaluate_pretraining.py')
    add.add_argument('--arm', help='the arm of the results, such as finetuned-NAME')
    args = parser.parse_args(argv)
    if args.action == 'add' and (args.results is None) != (args.arm is None):
        parser.error('give --results and --arm together')
    return args


def run(args: argparse.Namespace) -> None:
    """Do what the command line asks for."""
    import torch

    from strl_mmdet3d import __version__
    from strl_mmdet3d.atomic_write import write_text_whole
    from strl_mmdet3d.export import read_exported
    from strl_mmdet3d.safe_loading import load_safely
    from strl_mmdet3d.zoo import ZooError, read_entries
    from strl_mmdet3d.zoo.additions import add_encoder, gains_of, read_results
    from strl_mmdet3d.zoo.encoders import checked_path
    from strl_mmdet3d.zoo.page import zoo_tables

    load_safely()
    if args.action == 'add':
        facts = dict(
            detector=args.detector,
            config=args.config,
            data=args.data,
            commands=args.commands,
            made=f'{datetime.date.today()} with strl_mmdet3d {__version__} and torch {torch.__version__}',
        )
        gains = gains_of(read_results(args.results), args.arm) if args.results else []
        entry = add_encoder(args.encoder, args.name, facts, gains)
        print(f'{entry.name}: {entry.size} bytes, {len(gains)} gains')
        return
    entries = read_entries()
    if args.action == 'list':
        for entry in entries.values():
            print(f'strl://{entry.name}  {entry.size / 2**20:.1f} MB  {entry.detector}; {entry.data}')
    elif args.action == 'verify':
        for entry in entries.values():
            read_exported(checked_path(entry))
        print(f'{len(entries)} of {len(entries)} encoders are as recorded')
    else:
        try:
            text = args.out.read_text(encoding='utf-8')
        except UnicodeDecodeError as error:
            raise ZooError(f'{args.out} is not a page in UTF-8 ({error})') from error
        head, begin, rest = text.partition(BEGIN)
        _, end, tail = rest.partition(END)
        if not begin or not end:
            raise ZooError(f'{args.out} needs the lines {BEGIN} and {END}')
        write_text_whole(args.out, f'{head}{begin}\n\n{zoo_tables(entries.values())}\n{end}{tail}')


def main(argv: list[str] | None = None) -> None:
    """Run the tool.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors():
        run(args)


if __name__ == '__main__':
    main()
