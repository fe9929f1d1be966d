"""Sequences of posed depth images, in ScanNet's layouts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..readers.whole_file import read_text
from ..sequence_index import FrameSequence, SequenceIndexError, are_intrinsics, are_rigid
from .scans import natural_key, require_folder

# Relative to a scene: in scannet_frames_25k, and in a folder extracted from .sens.
INTRINSICS_PATHS = ('intrinsics_depth.txt', 'intrinsic/intrinsic_depth.txt')

# The reasons for leaving a key frame out, as the index and the tool name them.
NO_POSE = 'no_pose'
NO_DEPTH = 'no_depth'
POSE_UNREADABLE = 'pose_unreadable'
POSE_NOT_FINITE = 'pose_not_finite'
POSE_NOT_RIGID = 'pose_not_rigid'


@dataclass
class DepthFrameLister:
    """Lists the key frames of a scene that have a depth image and a usable pose.

    A depth image and a pose belong together if their file names are the same number, with or without leading zeros.

    Attributes:
        key_frame_every: Every n-th number of the scene is a key frame, beginning with the first.
        left_out: The key frames left out so far. For each reason (:data:`NO_POSE` and so on), the paths of the poses
            that cannot be used, or of the images or poses that lack their counterpart.
    """

    key_frame_every: int = 1
    left_out: dict[str, list[Path]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise a SequenceIndexError if a setting is out of its range."""
        if self.key_frame_every < 1:
            raise SequenceIndexError(f'key_frame_every must be at least 1, got {self.key_frame_every}')

    def key_frames(self, scene: Path) -> tuple[list[str], np.ndarray]:
        """List a scene's usable key frames.

        Args:
            scene: A folder with the subfolders ``depth`` and ``pose``.

        Returns:
            The file names of N depth images in the order of their numbers, and the poses (N, 4, 4), camera to world.
            A number that lacks the image or the pose is left out, too.
        """
        images = _numbered_files(scene / 'depth', '.png')
        pose_files = _numbered_files(scene / 'pose', '.txt')
        names, poses = [], []
        for number in sorted(images.keys() | pose_files.keys())[:: self.key_frame_every]:
            if number not in images:
                self._leave_out(NO_DEPTH, pose_files[number])
            elif number not in pose_files:
                self._leave_out(NO_POSE, images[number])
            else:
                pose = _read_matrix(pose_files[number])
                fault = _find_fault(pose)
                if fault:
                    self._leave_out(fault, pose_files[number])
                else:
                    names.append(images[number].name)
                    poses.append(pose)
        return names, np.array(poses).reshape(-1, 4, 4)

    def _leave_out(self, reason: str, path: Path) -> None:
        """Record a key frame that is left out."""
        self.left_out.setdefault(reason, []).append(path)


def scannet_sequences(root: Path, lister: DepthFrameLister) -> Iterator[FrameSequence]:
    """Make a sequence for each scene.

    A scene has the layout of ``scannet_frames_25k``, which holds every 100th frame, or of a folder extracted from
    ``.sens``, which holds all frames. Both may be mixed::

        ROOT/SCENE/depth/%06d.png               ROOT/SCENE/depth/N.png
        ROOT/SCENE/pose/%06d.txt                ROOT/SCENE/pose/N.txt
        ROOT/SCENE/intrinsics_depth.txt         ROOT/SCENE/intrinsic/intrinsic_depth.txt

    Args:
        root: The data's root.
        lister: How the key frames of a scene are listed.

    Yields:
        Sequences named after their scene, with poses (camera to ScanNet's world, z upwards) and intrinsics, in natural
        order. A scene without a usable key frame is left out.

    Raises:
        SequenceIndexError: If the root is not a folder, the intrinsics of a scene are missing or unusable, or two of
            its files have the same number.
    """
    require_folder(root)
    for scene in sorted((folder.parent for folder in root.glob('*/depth')), key=lambda path: natural_key(path.name)):
        names, poses = lister.key_frames(scene)
        if names:
            frames = [f'{scene.name}/depth/{name}' for name in names]
            yield FrameSequence(scene.name, frames, poses, intrinsics=_read_intrinsics(scene))


def _numbered_files(folder: Path, ext: str) -> dict[int, Path]:
    """Return the files whose name is a number, by that number. A missing folder has none."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        names = [entry.name.removesuffix(ext) for entry in entries if entry.name.endswith(ext)]
    files: dict[int, Path] = {}
    for name in names:
        if name.isascii() and name.isdigit():
            other = files.setdefault(int(name), folder / f'{name}{ext}')
            if other.name != f'{name}{ext}':
                raise SequenceIndexError(f'{other} and {name}{ext} have the same number. Move one of them away')
    return files


def _read_matrix(path: Path) -> np.ndarray | None:
    """Read a matrix from a text file, one row per line; None if the file holds something else."""
    try:
        return np.array([line.split() for line in read_text(path).splitlines() if line.strip()], dtype=np.float64)
    except (OSError, ValueError):  # ragged rows, words, bytes that are not text
        return None


def _find_fault(pose: np.ndarray | None) -> str | None:
    """Return the reason for leaving out a frame with this pose; None if the pose can be used."""
    if pose is None or pose.shape != (4, 4):
        return POSE_UNREADABLE
    if not np.isfinite(pose).all():  # -inf where ScanNet's reconstruction lost the camera
        return POSE_NOT_FINITE
    if not are_rigid(pose[None]):  # this includes singular matrices
        return POSE_NOT_RIGID
    return None


def _read_intrinsics(scene: Path) -> np.ndarray:
    """Read the intrinsics (3, 3) of a scene's depth camera, the upper left of the file's 4x4 matrix."""
    path = next((scene / path for path in INTRINSICS_PATHS if (scene / path).is_file()), None)
    if path is None:
        raise SequenceIndexError(
            f'{scene} has neither {INTRINSICS_PATHS[0]} nor {INTRINSICS_PATHS[1]}, but back-projection needs the '
            'intrinsics of the depth camera. Extract the scene again, or copy the file from a scene of the same sensor'
        )
    matrix = _read_matrix(path)
    if matrix is None or matrix.shape != (4, 4) or not are_intrinsics(matrix[:3, :3]):
        raise SequenceIndexError(
            f'{path} holds no intrinsics: expected the invertible 4x4 matrix [fx s cx 0; 0 fy cy 0; 0 0 1 0; '
            '0 0 0 1] with fx and fy above 0 pixels. Extract the file again'
        )
    return matrix[:3, :3]
