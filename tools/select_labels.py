"""Select a part of a labelled index, for fine-tuning with few labels: of each class a fraction, at least one sample.

The same index, fraction and seed give the same file. With one seed, a smaller fraction is part of a larger one. The
result is an ordinary index: name it in a config, or set
``--cfg-options train_dataloader.dataset.ann_file=train_1_percent.json``.

Examples:
    python tools/select_labels.py data/shapes/train.json data/shapes/train_1_percent.json --fraction 0.01
    for seed in 0 1 2; do
        python tools/select_labels.py INDEX OUT_$seed.json --fraction 0.05 --seed $seed
    done
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from command_line import foreseen_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('index', type=Path, help='the labelled index to select from')
    parser.add_argument('out', type=Path, help='the index to write')
    parser.add_argument('--fraction', type=float, required=True, help='above 0 and at most 1, such as 0.01 for 1 %%')
    parser.add_argument('--seed', type=int, default=0, help='seed of the choice (default: 0)')
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error('--seed must be 0 or more')
    return args


def select(args: argparse.Namespace) -> None:
    """Select and write, and print how many samples."""
    import numpy as np

    from strl_mmdet3d.datasets.sequence_index import SequenceIndexError, read_sequence_index, write_sequence_index
    from strl_mmdet3d.evaluation.label_fractions import select_fraction
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    metainfo, sequences = read_sequence_index(args.index)
    labels = [sequence.label for sequence in sequences if sequence.label is not None]
    if len(labels) < len(sequences):
        raise SequenceIndexError(
            f'{len(sequences) - len(labels)} of {len(sequences)} sequences of {args.index} have no label. Create it '
            'with `create_sequence_index.py shapes` from labelled data'
        )
    if args.out.exists() and args.out.samefile(args.index):
        raise SequenceIndexError(f'{args.out} is the index to select from: name another file to write')
    rows = select_fraction(np.asarray(labels), args.fraction, args.seed)
    selection = dict(fraction=args.fraction, seed=args.seed, source=args.index.name)
    write_sequence_index(args.out, dict(metainfo, selection=selection), [sequences[row] for row in rows])
    num_classes = len(set(labels))
    print(f'{len(rows)} of {len(labels)} samples of {num_classes} classes written to {args.out}')


def main(argv: list[str] | None = None) -> None:
    """Select and write.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors(args.out):
        select(args)


if __name__ == '__main__':
    main(sys.argv[1:])
