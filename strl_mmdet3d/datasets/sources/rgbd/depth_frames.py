"""What all sources of posed depth images share: which frames are usable, and what is known of the camera and world."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...readers.intrinsics_file import from_numbers, read_intrinsics
from ...readers.up_axis import parse_up
from ...readers.whole_file import read_text
from ...sequence_index import SequenceIndexError, are_rigid

# The reasons for leaving a key frame out, as the index and the tool name them.
NO_POSE = 'no_pose'
NO_DEPTH = 'no_depth'
POSE_UNREADABLE = 'pose_unreadable'
POSE_NOT_FINITE = 'pose_not_finite'
POSE_NOT_RIGID = 'pose_not_rigid'
TRUNCATED = 'truncated'

MAX_NOTES = 5  # scenes of which the tool prints how their up axis was found


@dataclass
class DepthFrameLister:
    """Lists the key frames of a scene that have a depth image and a usable pose, and collects what the index states.

    Attributes:
        key_frame_every: Every n-th frame of the scene is a key frame, beginning with the first.
        depth_scale: Depth values per metre; None takes what the layout says.
        intrinsics: K (3, 3) of all depth images; None takes the data's.
        up: The unit vector (3,) that points up in the world of the data's poses; None looks for it.
        left_out: The key frames left out so far. For each reason (:data:`NO_POSE` and so on), the paths of the poses
            that cannot be used, or of the images or poses that lack their counterpart.
        notes: What the user should read about the data: lines for the tool to print.
        found: What the index states of all frames: ``depth_scale`` and, if they were found, ``largest_depth``, ``up``
            and ``up_in_data`` (sequence -> the direction that the data's poses have for what is now z).
    """

    key_frame_every: int = 1
    depth_scale: float | None = None
    intrinsics: np.ndarray | None = None
    up: np.ndarray | None = None
    left_out: dict[str, list[Path]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise a SequenceIndexError if a setting is out of its range."""
        if self.key_frame_every < 1:
            raise SequenceIndexError(f'key_frame_every must be at least 1, got {self.key_frame_every}')
        if self.depth_scale is not None and not 0 < self.depth_scale < np.inf:
            raise SequenceIndexError(f'the depth scale must be above 0 values per metre, got {self.depth_scale}')

    @classmethod
    def from_words(
        cls, key_frame_every: int, depth_scale: float | None, intrinsics: str | None, up: str | None
    ) -> DepthFrameLister:
        """Make a lister from the words of a command line: ``FX,FY,CX,CY``, and as :func:`parse_up` reads it.

        Raises:
            SequenceIndexError: If a word is not what it should be.
        """
        try:
            camera = None if intrinsics is None else from_numbers([float(word) for word in intrinsics.split(',')])
        except ValueError as error:
            raise SequenceIndexError(f'--intrinsics {intrinsics} cannot be used ({error}): give FX,FY,CX,CY') from error
        try:
            direction = None if up is None else parse_up(up)
        except ValueError as error:
            raise SequenceIndexError(f'--up {up} cannot be used: give x, -x, y, -y, z, -z or x,y,z') from error
        return cls(key_frame_every, depth_scale, camera, direction)

    def usable(
        self, frames: Iterable[tuple[str, Path, np.ndarray | None]], root: Path | None = None
    ) -> tuple[list[str], np.ndarray]:
        """Choose the frames whose pose can be used; the others are left out by their reason.

        Args:
            frames: For each frame its path in the index, the file that its pose is from, and the pose (4, 4), or None
                if it cannot be read.
            root: If given, the paths are files below it, and one behind a dead link is left out.

        Returns:
            The paths of N frames, and their poses (N, 4, 4), camera to world.
        """
        paths, poses = [], []
        for path, source, pose in frames:
            fault = find_fault(pose)
            if root is not None and not (root / path).is_file():
                self.leave_out(NO_DEPTH, root / path)
            elif fault:
                self.leave_out(fault, source)
            else:
                paths.append(path)
                poses.append(pose)
        return paths, np.array(poses, dtype=np.float64).reshape(-1, 4, 4)

    def matched(self, images: dict[int, Path], pose_files: dict[int, Path], root: Path) -> tuple[list[str], np.ndarray]:
        """Choose the usable key frames of images and 4x4 pose files that belong together by their numbers.

        Returns:
            The images' paths from the root, in the order of their numbers, and the poses (N, 4, 4). A number that lacks
            the image or the pose is left out, too.
        """
        frames = []
        for number in sorted(images.keys() | pose_files.keys())[:: self.key_frame_every]:
            if number not in images:
                self.leave_out(NO_DEPTH, pose_files[number])
            elif number not in pose_files:
                self.leave_out(NO_POSE, images[number])
            else:
                image, source = images[number], pose_files[number]
                frames.append((image.relative_to(root).as_posix(), source, read_matrix(source)))
        return self.usable(frames, root)

    def leave_out(self, reason: str, path: Path) -> None:
        """Record a key frame that is left out."""
        self.left_out.setdefault(reason, []).append(path)

    def intrinsics_from(self, files: Iterable[Path], default: np.ndarray | None, scene: Path, names: str) -> np.ndarray:
        """Return K (3, 3) of a scene: the given one, that of the first file that exists, or the layout's default.

        Args:
            files: Where the layout may have it.
            default: What is published for this layout; None if that depends on the camera.
            scene: The scene, for the message.
            names: How the message calls the files.

        Raises:
            SequenceIndexError: If the file is not what it should be, or there is none.
        """
        if self.intrinsics is not None:
            return self.intrinsics
        path = next((path for path in files if path.is_file()), None)
        if path is not None:
            return read_intrinsics(path)
        if default is None:
            raise SequenceIndexError(
                f'{scene} has {names}, but back-projection needs the intrinsics of the depth camera. Extract the scene '
                'again, copy the file from a scene of the same sensor, or give --intrinsics FX,FY,CX,CY'
            )
        return default

    def scale_is(self, scale: float, source: str) -> None:
        """Record the depth scale that a layout or a file states; one that was given overrides it.

        Raises:
            SequenceIndexError: If another one is recorded already: an index has one.
        """
        scale = self.depth_scale or scale
        if self.found.setdefault('depth_scale', float(scale)) != scale:
            raise SequenceIndexError(
                f'{source} has {scale:g} depth values per metre, but the scenes before it have '
                f'{self.found["depth_scale"]:g}. Make an index of each kind'
            )

    def facts(self) -> dict[str, Any]:
        """Return what the metainfo of the index states."""
        num_left_out = {reason: len(paths) for reason, paths in self.left_out.items()}
        return {'key_frame_every': self.key_frame_every, 'num_left_out': num_left_out, **self.found}


def read_matrix(path: Path) -> np.ndarray | None:
    """Read a matrix from a text file, one row per line; None if the file holds something else."""
    try:
        return np.array([line.split() for line in read_text(path).splitlines() if line.strip()], dtype=np.float64)
    except (OSError, ValueError):  # ragged rows, words, bytes that are not text
        return None


def find_fault(pose: np.ndarray | None) -> str | None:
    """Return the reason for leaving out a frame with this pose; None if the pose can be used."""
    if pose is None or pose.shape != (4, 4):
        return POSE_UNREADABLE
    if not np.isfinite(pose).all():  # -inf where ScanNet's reconstruction lost the camera
        return POSE_NOT_FINITE
    if not are_rigid(pose[None]):  # this includes singular matrices
        return POSE_NOT_RIGID
    return None


def files_by_number(folder: Path, start: str, end: str) -> dict[int, Path]:
    """Return the files of a folder named by a number between a fixed start and end, by that number.

    A missing folder has none.

    Raises:
        SequenceIndexError: If two files have the same number.
    """
    files: dict[int, Path] = {}
    if not folder.is_dir():
        return files
    for path in folder.iterdir():
        number = path.name[len(start) : len(path.name) - len(end)]
        if path.name.startswith(start) and path.name.endswith(end) and number.isascii() and number.isdigit():
            other = files.setdefault(int(number), path)
            if other != path:
                raise SequenceIndexError(f'{other} and {path.name} have the same number. Move one of them away')
    return files
