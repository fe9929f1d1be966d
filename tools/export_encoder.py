"""Write the pre-trained encoder under the detector's own names, and prove that it lands in a detector.

Examples:
    python tools/export_encoder.py work_dirs/pvrcnn_kitti_pretrain/epoch_30.pth encoder.pth
    python tools/export_encoder.py CKPT encoder.pth --verify configs/downstream/pvrcnn_kitti_from_strl.py
    python tools/export_encoder.py encoder.pth --verify mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from command_line import foreseen_errors, hide_deprecations, load_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='a checkpoint of the pre-training (with OUT), or an exported encoder')
    parser.add_argument('out', nargs='?', help='the file to write; leave it out to verify an exported encoder only')
    parser.add_argument(
        '--leave-out',
        nargs='+',
        default=[],
        metavar='TENSOR',
        help='tensors not to export, where the downstream detector has another shape and learns them from scratch',
    )
    parser.add_argument(
        '--include-untrained',
        action='store_true',
        help='export the parts that no gradient has reached too, as the pre-training initialised them',
    )
    parser.add_argument('--verify', metavar='CONFIG', help='a downstream config in which every tensor must land')
    parser.add_argument(
        '--allow-different',
        nargs='+',
        default=[],
        metavar='NAME',
        help='settings of CONFIG that may differ from those of the pre-training, by the names in the error message',
    )
    args = parser.parse_args(argv)
    if args.out is None and args.verify is None:
        parser.error('give OUT to export, --verify CONFIG to verify, or both')
    if args.out is None and args.leave_out:
        parser.error('--leave-out needs OUT, the file to write without these tensors')
    if args.out is None and args.include_untrained:
        parser.error('--include-untrained needs OUT, the file to write with these parts')
    if args.verify is None and args.allow_different:
        parser.error('--allow-different needs --verify CONFIG, whose settings may differ')
    return args


def export(args: argparse.Namespace) -> None:
    """Export and verify, and print the result."""
    from strl_mmdet3d.export import META_KEY, check_out, export_encoder, read_checkpoint, save_exported, verify_export
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    exported_path = args.checkpoint
    if args.out is not None:
        check_out(args.out, args.checkpoint)
        checkpoint = read_checkpoint(args.checkpoint)
        exported = export_encoder(checkpoint, args.checkpoint, args.leave_out, include_untrained=args.include_untrained)
        save_exported(exported, args.out)
        provenance = exported['meta'][META_KEY]
        size = Path(args.out).stat().st_size / 1e6
        print(f'{len(exported["state_dict"])} tensors written to {args.out} ({size:.1f} MB)')
        print(f'none is missing, compared with {provenance["compared_with"]}')
        if provenance['untrained']:
            how = 'included as initialised' if args.include_untrained else 'left out; --include-untrained exports them'
            print(f'no gradient has reached {", ".join(provenance["untrained"])}: {how}')
        exported_path = args.out
    if args.verify is not None:
        report = verify_export(exported_path, load_config(args.verify), args.allow_different)
        print(f'{args.verify}:\n{report}')


def main(argv: list[str] | None = None) -> None:
    """Export and verify.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    hide_deprecations()
    with foreseen_errors(args.out or 'the output'):
        export(args)


if __name__ == '__main__':
    main(sys.argv[1:])
