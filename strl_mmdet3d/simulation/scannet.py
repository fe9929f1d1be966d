"""Simulated rooms: camera walks in the layout of ScanNet's frames and labelled views in that of SUN RGB-D."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strl_mmdet3d.simulation import sunrgbd
from strl_mmdet3d.simulation.depth_camera import DepthCamera
from strl_mmdet3d.simulation.room import PLANS
from strl_mmdet3d.simulation.scannet_frames import write_scene


@dataclass(frozen=True)
class ScanNetSimulation:
    """What to simulate. The same values give the same bytes, with the restriction of :class:`KittiSimulation`.

    Every scene and every view is drawn from its own seed, so one more of them does not change the others' contents.
    The kinds of rooms take turns.

    Attributes:
        seed: Seed of everything random, 0 or more.
        scenes: Number of camera walks.
        frames_per_scene: Frames written of each.
        frame_step: Frames of the recording, at 30 Hz, from one that is written to the next.
        train: Labelled views for training.
        val: Labelled views for validation.
        width: Pixels in a row of the depth pictures, a multiple of 4; they are 4:3 and show the same at any width.
    """

    seed: int
    scenes: int = 5
    frames_per_scene: int = 16
    frame_step: int = 10
    train: int = 30
    val: int = 15
    width: int = 640

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            lowest = 1 if name in ('frames_per_scene', 'frame_step') else 0
            if value < lowest:
                raise ValueError(f'{name} must be at least {lowest}, got {value}')
        DepthCamera(self.width)
        if bool(self.train) != bool(self.val):
            raise ValueError(f'train and val must be both 0 or both at least 1, got {self.train} and {self.val}')
        if not self.total:
            raise ValueError('nothing to simulate: scenes, train and val are all 0')

    @property
    def total(self) -> int:
        """Number of depth pictures."""
        return self.scenes * self.frames_per_scene + self.train + self.val

    def _seed_of(self, stream: int, number: int) -> np.random.SeedSequence:
        """The seed of a scene (stream 0) or of a view of the training (1) or the validation (2) split."""
        return np.random.SeedSequence(self.seed, spawn_key=(stream, number))

    def write(self, root: Path) -> Iterator[None]:
        """Write the walks to ``root/frames`` and the labelled views to ``root/sunrgbd``.

        Args:
            root: An existing, empty folder.

        Yields:
            Nothing, once after each of the ``total`` pictures.
        """
        camera, kinds = DepthCamera(self.width), list(PLANS)
        for scene in range(self.scenes):
            folder = root / 'frames' / f'scene{scene:04d}_00'
            kind, seed = kinds[scene % len(kinds)], self._seed_of(0, scene)
            yield from write_scene(folder, kind, self.frames_per_scene, self.frame_step, camera, seed)
        if not self.train:
            return
        sunrgbd.make_folders(root / 'sunrgbd')
        # As in SUN RGB-D, the files are numbered from 1.
        number = 1
        for stream, (split, views) in enumerate((('train', self.train), ('val', self.val)), start=1):
            data_list = []
            for view in range(views):
                rng = np.random.default_rng(self._seed_of(stream, view))
                kind = kinds[view % len(kinds)]
                data_list.append(sunrgbd.write_view(root / 'sunrgbd', number, kind, camera, rng))
                number += 1
                yield
            sunrgbd.write_infos(root / 'sunrgbd' / f'sunrgbd_infos_{split}.pkl', data_list)
