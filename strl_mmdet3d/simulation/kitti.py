"""Simulated KITTI: drives in the raw layout and labelled frames in the detection layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strl_mmdet3d.simulation.pieces import Piece, write_pieces
from strl_mmdet3d.simulation.recording.kitti_object import make_folders, write_frame
from strl_mmdet3d.simulation.recording.kitti_raw import DATE, write_drive
from strl_mmdet3d.simulation.recording.kitti_sensors import write_raw_calibration
from strl_mmdet3d.simulation.recording.lidar import SpinningLidar
from strl_mmdet3d.simulation.settings import Simulation


@dataclass(frozen=True)
class KittiSimulation(Simulation):
    """The settings of the simulated KITTI data, and its writer.

    ``frames_per_drive`` sets the length of the streets, so another value changes the scenes of all drives. ``train``,
    ``val`` and ``test`` are all 0 or all at least 1: mmdet3d's ``create_data.py`` fails on an empty split.

    Attributes:
        drives: Number of drives.
        frames_per_drive: Scans in each drive, at 10 Hz.
        train: Labelled frames for training.
        val: Labelled frames for validation.
        test: Frames without labels.
        azimuth_steps: Firings of the LiDAR per revolution.
        beams: 64 for the HDL-64E of KITTI's car, 32 for an HDL-32E.
    """

    AT_LEAST_1 = ('frames_per_drive', 'azimuth_steps')
    SPLITS = ('train', 'val', 'test')

    drives: int = 4
    frames_per_drive: int = 12
    train: int = 8
    val: int = 4
    test: int = 2
    azimuth_steps: int = 2083
    beams: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.lidar  # raises for a number of beams that no sensor has

    @property
    def lidar(self) -> SpinningLidar:
        """The faultless sensor; each drive and frame draws its own errors."""
        return SpinningLidar(self.azimuth_steps, self.beams)

    @property
    def total(self) -> int:
        """Number of scans. The tool calls them frames."""
        return self.drives * self.frames_per_drive + self.train + self.val + self.test

    def write(self, root: Path, jobs: int = 1) -> Iterator[int]:
        """Write the drives to ``root/raw`` and the frames to ``root/object``."""
        pieces = [*self._drives(root / 'raw' / DATE), *self._frames(root / 'object')]
        yield from (size for size, _ in write_pieces(pieces, jobs))

    def _drives(self, date_folder: Path) -> list[Piece]:
        """Make the folder of the drives, if there are any, and return what writes each of them."""
        if not self.drives:
            return []
        date_folder.mkdir(parents=True)
        write_raw_calibration(date_folder, '01-Jan-2030 12:00:00')
        frames = self.frames_per_drive
        # Seed stream 0 belongs to the drives, the later streams to the splits.
        return [
            Piece(write_drive, (date_folder, drive + 1, frames, self.lidar, self.seed_of(0, drive)), frames)
            for drive in range(self.drives)
        ]

    def _frames(self, root: Path) -> list[Piece]:
        """Make the folders of the detection layout, if there are frames, and return what writes each of them."""
        if not self.train:
            return []
        training, testing, image_sets = (root / name for name in ('training', 'testing', 'ImageSets'))
        make_folders(training, labelled=True)
        make_folders(testing, labelled=False)
        image_sets.mkdir()
        train, val = range(self.train), range(self.train, self.train + self.val)
        splits = {'train': train, 'val': val, 'trainval': [*train, *val], 'test': range(self.test)}
        for split, indices in splits.items():
            (image_sets / f'{split}.txt').write_text(''.join(f'{index:06d}\n' for index in indices))
        pieces = []
        for stream, split in enumerate(('train', 'val', 'test'), start=1):
            for number, index in enumerate(splits[split]):
                rng = np.random.default_rng(self.seed_of(stream, number))
                folder = testing if split == 'test' else training
                pieces.append(Piece(write_frame, (folder, index, self.lidar, rng, split != 'test')))
        return pieces
