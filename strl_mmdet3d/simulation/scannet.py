"""Simulated rooms: camera walks in the layout of ScanNet's frames, labelled views in the layout of SUN RGB-D."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strl_mmdet3d.simulation.pieces import Piece, write_pieces
from strl_mmdet3d.simulation.rooms import sunrgbd
from strl_mmdet3d.simulation.rooms.depth_camera import DepthCamera
from strl_mmdet3d.simulation.rooms.room import PLANS
from strl_mmdet3d.simulation.rooms.scannet_frames import write_scene
from strl_mmdet3d.simulation.settings import Simulation


@dataclass(frozen=True)
class ScanNetSimulation(Simulation):
    """The settings of the simulated rooms, and the writer of their data. The kinds of rooms take turns.

    Attributes:
        scenes: Number of camera walks.
        frames_per_scene: Frames written per walk.
        frame_step: Distance of two written frames, in frames of the recording at 30 Hz.
        train: Labelled views for training.
        val: Labelled views for validation.
        width: Pixels in a row of the depth pictures, a multiple of 4. They are 4:3 and show the same view at any width.
    """

    AT_LEAST_1 = ('frames_per_scene', 'frame_step')
    SPLITS = ('train', 'val')

    scenes: int = 5
    frames_per_scene: int = 16
    frame_step: int = 10
    train: int = 30
    val: int = 15
    width: int = 640

    def __post_init__(self) -> None:
        super().__post_init__()
        DepthCamera(self.width)

    @property
    def total(self) -> int:
        """Number of depth pictures."""
        return self.scenes * self.frames_per_scene + self.train + self.val

    def write(self, root: Path, jobs: int = 1) -> Iterator[int]:
        """Write the walks to ``root/frames`` and the labelled views to ``root/sunrgbd``."""
        camera, kinds = DepthCamera(self.width), list(PLANS)
        frames = self.frames_per_scene
        pieces = []
        for scene in range(self.scenes):
            folder = root / 'frames' / f'scene{scene:04d}_00'
            # Seed stream 0 belongs to the scenes, the later streams to the splits.
            kind, seed = kinds[scene % len(kinds)], self.seed_of(0, scene)
            pieces.append(Piece(write_scene, (folder, kind, frames, self.frame_step, camera, seed), frames))
        if self.train:
            sunrgbd.make_folders(root / 'sunrgbd')
        of_split = [('train', view) for view in range(self.train)] + [('val', view) for view in range(self.val)]
        for number, (split, view) in enumerate(of_split, start=1):  # as in SUN RGB-D, the files are numbered from 1
            rng = np.random.default_rng(self.seed_of(1 + self.SPLITS.index(split), view))
            pieces.append(Piece(sunrgbd.write_view, (root / 'sunrgbd', number, kinds[view % len(kinds)], camera, rng)))

        returned = []
        for size, one in write_pieces(pieces, jobs):
            returned.append(one)
            yield size
        for split in self.SPLITS if self.train else ():
            data_list = [one for one, (name, _) in zip(returned[self.scenes :], of_split, strict=True) if name == split]
            sunrgbd.write_infos(root / 'sunrgbd' / f'sunrgbd_infos_{split}.pkl', data_list)
