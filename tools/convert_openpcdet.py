r"""Convert an exported encoder to a checkpoint of OpenPCDet, or a checkpoint of OpenPCDet to an exported encoder.

Examples:
    python tools/convert_openpcdet.py to encoder.pth pcdet.pth --detector second
    python tools/convert_openpcdet.py from pv_rcnn_8369.pth encoder.pth --detector pvrcnn
    python tools/convert_openpcdet.py from pointpillar_7728.pth encoder.pth --detector pointpillars \
        --cfg-options model.voxel_encoder.legacy=False
"""

from __future__ import annotations

import argparse
import sys

from command_line import add_cfg_options, foreseen_errors, hide_deprecations, load_config

# Of strl_mmdet3d.export.openpcdet, which is not imported for --help.
DETECTORS = ('centerpoint_pillar', 'centerpoint_voxel', 'pointpillars', 'pvrcnn', 'second')
LAYOUTS = ('1', '2', '2.0-native')


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('direction', choices=('to', 'from'), help='to OpenPCDet, or from it')
    parser.add_argument('checkpoint', help='an exported encoder (to), or a checkpoint of OpenPCDet (from)')
    parser.add_argument('out', help='the file to write')
    parser.add_argument('--detector', required=True, choices=DETECTORS, help='the detector in it')
    parser.add_argument(
        '--config',
        default='',
        help="from: the mmdet3d config of the detector that takes it; mmdet3d's stock one by default",
    )
    parser.add_argument(
        '--parts',
        nargs='+',
        metavar='PART',
        help="from: the detector's children to take, such as middle_encoder, where the file does not hold all",
    )
    parser.add_argument(
        '--spconv',
        choices=LAYOUTS,
        help='to: the version that will read the weights, 2 by default; '
        'from: the one that stored them, where their shapes do not tell',
    )
    parser.add_argument(
        '--conv-for-no-stride',
        action='store_true',
        help="OpenPCDet's config sets USE_CONV_FOR_NO_STRIDE in BACKBONE_2D",
    )
    add_cfg_options(parser, 'model.voxel_encoder.legacy=False')
    args = parser.parse_args(argv)
    if args.direction == 'to' and (args.config or args.parts or args.cfg_options):
        parser.error('--config, --parts and --cfg-options describe what takes a checkpoint from OpenPCDet')
    return args


def convert_to(args: argparse.Namespace) -> None:
    """Write an exported encoder as a checkpoint of OpenPCDet."""
    from strl_mmdet3d.export import read_exported, save_exported
    from strl_mmdet3d.export.openpcdet import to_openpcdet

    exported = read_exported(args.checkpoint)
    checkpoint, report = to_openpcdet(
        exported,
        args.detector,
        args.checkpoint,
        args.spconv or '2',
        conv_for_no_stride=args.conv_for_no_stride,
    )
    save_exported(checkpoint, args.out)
    count = len(checkpoint['model_state'])
    print(f"{report}\n{count} tensors written to {args.out}: OpenPCDet's log must say 'Done (loaded {count}/...)'")


def convert_from(args: argparse.Namespace) -> None:
    """Write a checkpoint of OpenPCDet as an exported encoder, and prove that it lands."""
    from strl_mmdet3d.export import save_exported, verify_export
    from strl_mmdet3d.export.openpcdet import DETECTORS, from_openpcdet, read_openpcdet

    name = args.config or DETECTORS[args.detector].stock
    config = load_config(name, args.cfg_options)
    exported, report = from_openpcdet(
        read_openpcdet(args.checkpoint),
        args.detector,
        config,
        args.checkpoint,
        args.parts,
        args.spconv,
        conv_for_no_stride=args.conv_for_no_stride,
    )
    save_exported(exported, args.out)
    print(f'{report}\nkernels stored by spconv {report.stored}')
    print(f'{len(exported["state_dict"])} tensors written to {args.out}\n{name}:\n{verify_export(args.out, config)}')


def convert(args: argparse.Namespace) -> None:
    """Convert in the direction that is asked for."""
    from strl_mmdet3d.export import check_out
    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    check_out(args.out, args.checkpoint)
    if args.direction == 'to':
        convert_to(args)
    else:
        convert_from(args)


def main(argv: list[str] | None = None) -> None:
    """Convert.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    hide_deprecations()
    with foreseen_errors(args.out):
        convert(args)


if __name__ == '__main__':
    main(sys.argv[1:])
