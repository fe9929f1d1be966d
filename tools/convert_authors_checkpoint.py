"""Convert a checkpoint that STRL's authors released to an exported encoder of ours, and prove that it lands.

Examples:
    python tools/convert_authors_checkpoint.py votenet.ckpt encoder.pth --encoder votenet \
        --verify configs/downstream/votenet_sunrgbd_from_strl.py
    python tools/convert_authors_checkpoint.py dgcnn.ckpt encoder.pth --encoder dgcnn
"""

from __future__ import annotations

import argparse
import sys

from mmengine.hub import get_config

from strl_mmdet3d.export import ExportError, save_exported, verify_export
from strl_mmdet3d.export.authors_checkpoint import ENCODERS, convert_authors_checkpoint, read_authors_checkpoint


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='the released Lightning checkpoint, as trained or transformed')
    parser.add_argument('out', help='the file to write')
    parser.add_argument('--encoder', required=True, choices=sorted(ENCODERS), help='which network is in it')
    parser.add_argument('--verify', metavar='CONFIG', help='a downstream config in which every tensor must land')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Convert, verify, and say what became of each tensor.

    Raises:
        SystemExit: With a message, if the checkpoint is none of the released ones, or a tensor does not land.
    """
    args = parse_args(argv)
    try:
        checkpoint = read_authors_checkpoint(args.checkpoint)
        exported, report = convert_authors_checkpoint(checkpoint, args.encoder, args.checkpoint)
        save_exported(exported, args.out)
        print(f'{report}\n{len(exported["state_dict"])} tensors written to {args.out}')
        if args.verify is not None:
            config = get_config(args.verify) if '::' in args.verify else args.verify
            print(f'{args.verify}:\n{verify_export(args.out, config)}')
    except (ExportError, FileNotFoundError) as error:
        raise SystemExit(f'error: {error}') from None


if __name__ == '__main__':
    main(sys.argv[1:])
