r"""Convert a checkpoint that STRL's authors released to an exported encoder of ours, and prove that it lands.

Examples:
    python tools/convert_authors_checkpoint.py votenet.ckpt encoder.pth --encoder votenet \
        --verify configs/downstream/votenet_sunrgbd_from_strl.py
    python tools/convert_authors_checkpoint.py dgcnn.ckpt encoder.pth --encoder dgcnn
"""

from __future__ import annotations

import argparse
import sys

from command_line import foreseen_errors, hide_deprecations, load_config

ENCODERS = ('dgcnn', 'dgcnn_seg', 'pointnet', 'votenet')  # of strl_mmdet3d.export.authors_checkpoint


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='the released Lightning checkpoint, as trained or transformed')
    parser.add_argument('out', help='the file to write')
    parser.add_argument('--encoder', required=True, choices=ENCODERS, help='the network in it')
    parser.add_argument('--verify', metavar='CONFIG', help='a downstream config in which every tensor must land')
    return parser.parse_args(argv)


def convert(args: argparse.Namespace) -> None:
    """Convert and verify, and print what happened to each tensor."""
    from strl_mmdet3d.export import check_out, save_exported, verify_export
    from strl_mmdet3d.export.authors_checkpoint import convert_authors_checkpoint, read_authors_checkpoint
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    check_out(args.out, args.checkpoint)
    checkpoint = read_authors_checkpoint(args.checkpoint)
    exported, report = convert_authors_checkpoint(checkpoint, args.encoder, args.checkpoint)
    save_exported(exported, args.out)
    print(f'{report}\n{len(exported["state_dict"])} tensors written to {args.out}')
    if args.verify is not None:
        print(f'{args.verify}:\n{verify_export(args.out, load_config(args.verify))}')


def main(argv: list[str] | None = None) -> None:
    """Convert and verify.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    hide_deprecations()
    with foreseen_errors(args.out):
        convert(args)


if __name__ == '__main__':
    main(sys.argv[1:])
