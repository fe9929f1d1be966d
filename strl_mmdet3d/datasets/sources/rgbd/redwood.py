"""Sequences of posed depth images in the layout of Open3D and the Redwood data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...readers.whole_file import read_text
from ...sequence_index import FrameSequence, SequenceIndexError
from ..frame_order import natural_key
from ..root_folder import require_folder
from .depth_frames import NO_POSE, DepthFrameLister

DEPTH_SCALE = 1000.0  # millimetres, Open3D's default
INTRINSICS_FILES = ('intrinsic.json', 'camera_intrinsic.json', 'camera_primesense.json', 'intrinsics.txt')
TRAJECTORIES = ('trajectory.log', 'scene/trajectory.log')


def redwood_sequences(root: Path, lister: DepthFrameLister) -> Iterator[FrameSequence]:
    """Make a sequence for each scene.

    ::

        ROOT/SCENE/depth/*.png
        ROOT/SCENE/trajectory.log (or scene/trajectory.log, or the only *.log)
        ROOT/SCENE/intrinsic.json (or camera_intrinsic.json)        as Open3D's PinholeCameraIntrinsic

    The root may be a scene itself. An entry of the trajectory is a line of three numbers, of which the first one is
    the place of its image in natural order, from 0, and four lines of a matrix, camera to world.

    Args:
        root: The data's root.
        lister: How the key frames are listed.

    Yields:
        Sequences named after their scene, with poses (camera to the data's world, in which nothing is said about up)
        and intrinsics, in natural order. One without a usable frame is left out.

    Raises:
        SequenceIndexError: If the root is not a folder, or a trajectory or the intrinsics are missing or unusable.
    """
    require_folder(root)
    folders = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: natural_key(path.name))
    for scene in (root, *folders):
        if not (scene / 'depth').is_dir():
            continue
        images = [path for path in (scene / 'depth').glob('*.png') if not path.name.startswith('.')]
        images.sort(key=lambda path: natural_key(path.name))
        source = _trajectory_of(scene)
        poses_by_place = read_log(source)
        if poses_by_place and max(poses_by_place) >= len(images):
            raise SequenceIndexError(
                f'{source} has the pose of image {max(poses_by_place)}, counted from 0, but {scene / "depth"} has '
                f'{len(images)} images. Restore the images, or take the trajectory of this scene'
            )
        frames = []
        for place in range(0, len(images), lister.key_frame_every):
            if place in poses_by_place:
                path = images[place].relative_to(root).as_posix()
                frames.append((path, source, poses_by_place[place]))
            else:
                lister.leave_out(NO_POSE, images[place])
        paths, poses = lister.usable(frames, root)
        if not paths:
            continue
        lister.scale_is(DEPTH_SCALE, scene.name)
        files = [place / name for place in (scene, root) for name in INTRINSICS_FILES]
        intrinsics = lister.intrinsics_from(files, None, scene, f'no {INTRINSICS_FILES[0]}')
        yield FrameSequence(scene.relative_to(root).as_posix(), paths, poses, intrinsics=intrinsics)


def read_log(path: Path) -> dict[int, np.ndarray]:
    """Read a trajectory of the Redwood data sets.

    Returns:
        The poses (4, 4) by the first number of their entry.

    Raises:
        SequenceIndexError: If the file cannot be read, is not made of whole entries, or has two entries of one number.
    """
    try:
        lines = [line.split() for line in read_text(path).splitlines() if line.strip()]
        if not lines or len(lines) % 5:
            raise ValueError(f'{len(lines)} lines are not entries of 5 lines')
        poses: dict[int, np.ndarray] = {}
        for start in range(0, len(lines), 5):
            number = int(lines[start][0])
            matrix = np.array(lines[start + 1 : start + 5], dtype=np.float64)
            if len(lines[start]) != 3 or matrix.shape != (4, 4) or number < 0 or number in poses:
                raise ValueError(f'entry {start // 5} is not three numbers and a 4x4 matrix, or comes twice')
            poses[number] = matrix
        return poses
    except (OSError, ValueError) as error:
        raise SequenceIndexError(f'{path} is not a trajectory of Redwood or Open3D ({error}). Restore it') from error


def _trajectory_of(scene: Path) -> Path:
    """Return the file of a scene's trajectory, or raise a SequenceIndexError."""
    named = [scene / name for name in TRAJECTORIES if (scene / name).is_file()]
    logs = named[:1] or sorted(scene.glob('*.log'))
    if len(logs) != 1:
        raise SequenceIndexError(
            f'{scene} has {len(logs)} files *.log, so its trajectory is not known. Name the right one {TRAJECTORIES[0]}'
        )
    return logs[0]
