"""Prepare SUN RGB-D for mmdet3d 1.4 from the official download, without MATLAB.

ROOT holds what https://rgbd.cs.princeton.edu offers, extracted:

    ROOT/SUNRGBD/                                        from SUNRGBD.zip
    ROOT/SUNRGBDMeta3DBB_v2.mat, SUNRGBDMeta2DBB_v2.mat  or in ROOT/SUNRGBDtoolbox/Metadata/
    ROOT/SUNRGBDtoolbox/                                 from SUNRGBDtoolbox.zip

OUT gets points/, sunrgbd_trainval/image/, sunrgbd_infos_{train,val}.pkl and a hidden list of all files: about 13 GB
in about 15 minutes.

Example:
    python tools/prepare_sunrgbd.py --root data/sunrgbd/OFFICIAL_SUNRGBD --out data/sunrgbd
"""

from __future__ import annotations

import argparse
from pathlib import Path

from command_line import foreseen_errors


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--root', type=Path, required=True, help='the official download, extracted')
    parser.add_argument('--out', type=Path, required=True, help="mmdet3d's data root; no prepared data is overwritten")
    return parser.parse_args(argv)


def prepare(args: argparse.Namespace) -> None:
    """Prepare the data set, and print what it holds and what was left out."""
    from dataset_converters.sunrgbd import (
        SPLITS,
        convert_scenes,
        finish_killed_run,
        prepared_whole,
        preparing,
        read_scenes,
    )
    from rich.console import Console
    from rich.progress import track

    from strl_mmdet3d.safe_loading import load_safely

    load_safely()
    with preparing(args.out):
        if finish_killed_run(args.out):
            print(f'{args.out}: an earlier run had prepared all images, and was ended while it moved them: done now')
            return
        with prepared_whole(args.out) as folder:
            with Console().status('reading the meta data'):
                scenes, left_out = read_scenes(args.root)
            results = list(track(convert_scenes(scenes, folder), 'preparing', len(scenes), transient=True))

    left_out.extend(f'image {scene.number}: {error}' for scene, error in results if error)
    for reason in left_out:
        print(f'left out: {reason}')
    for split in SPLITS:
        num_objects = [len(scene.instances) for scene, error in results if scene.split == split and not error]
        print(f'{split}: {len(num_objects)} images with {sum(num_objects)} objects')
    num_bad = sum(error is not None for _, error in results)
    print(f'{args.out}: {len(results) - num_bad} images prepared; {num_bad} bad images left out')


def main(argv: list[str] | None = None) -> None:
    """Prepare the data set.

    Raises:
        SystemExit: With a message, for a foreseen error.
    """
    args = parse_args(argv)
    with foreseen_errors(args.out):
        prepare(args)


if __name__ == '__main__':
    main()
