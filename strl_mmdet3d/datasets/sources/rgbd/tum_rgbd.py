"""Sequences of posed depth images in the layout of the TUM RGB-D benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...readers.time_stamps import in_seconds
from ...readers.trajectory import poses_at, read_trajectory
from ...readers.whole_file import read_text
from ...sequence_index import FrameSequence, SequenceIndexError
from ..frame_order import natural_key
from ..root_folder import require_folder
from .depth_frames import NO_DEPTH, NO_POSE, DepthFrameLister

DEPTH_SCALE = 5000.0  # values per metre, as the benchmark's page says
MAX_POSE_GAP = 0.1  # seconds between two poses to interpolate from; motion capture gives one every 0.01 s
TRAJECTORY, IMAGES = 'groundtruth.txt', 'depth.txt'
# The benchmark's calibrations of its colour cameras, in pixels. Its depth images are registered to these.
CALIBRATIONS = {
    'freiburg1': (517.3, 516.5, 318.6, 255.3),
    'freiburg2': (520.9, 521.0, 325.1, 249.7),
    'freiburg3': (535.4, 539.2, 320.1, 247.6),
}
INTRINSICS_FILES = ('intrinsics.txt', 'camera-intrinsics.txt', 'intrinsics_depth.txt')


def tum_sequences(root: Path, lister: DepthFrameLister) -> Iterator[FrameSequence]:
    """Make a sequence for each recording.

    ::

        ROOT/RECORDING/depth.txt                lines: time, path of the image
        ROOT/RECORDING/groundtruth.txt          lines: time x y z qx qy qz qw, camera to world
        ROOT/RECORDING/intrinsics.txt           unless the recording's name has freiburg1, 2 or 3 in it

    The root may be a recording itself. The poses are interpolated to the images' times.

    Args:
        root: The data's root.
        lister: How the key frames are listed.

    Yields:
        Sequences named after their recording, with poses (camera to the world of the motion capture, z upwards), time
        stamps and intrinsics, in natural order. One without a usable frame is left out.

    Raises:
        SequenceIndexError: If the root is not a folder, a list or trajectory cannot be read, or the intrinsics are
            missing or unusable.
    """
    require_folder(root)
    folders = sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: natural_key(path.name))
    for folder in (root, *folders):
        if not ((folder / IMAGES).is_file() and (folder / TRAJECTORY).is_file()):
            continue
        images = _listed_images(folder / IMAGES)[:: lister.key_frame_every]
        trajectory = read_trajectory(folder / TRAJECTORY, 'tum')
        all_poses, _ = poses_at(trajectory, np.array([time for time, _ in images]), MAX_POSE_GAP)
        frames, times = [], {}
        for (time, image), pose in zip(images, all_poses, strict=True):
            if not (folder / image).is_relative_to(root):
                raise SequenceIndexError(f'{folder / IMAGES} names {image}, which is not below {root}: correct it')
            path = (folder / image).relative_to(root).as_posix()
            if not (folder / image).is_file():
                lister.leave_out(NO_DEPTH, folder / image)
            elif np.isnan(pose).any():
                lister.leave_out(NO_POSE, folder / image)
            else:
                frames.append((path, folder / TRAJECTORY, pose))
                times[path] = time
        paths, poses = lister.usable(frames)
        if not paths:
            continue
        lister.scale_is(DEPTH_SCALE, folder.name)
        stamps = np.array([times[path] for path in paths])
        known = next((values for name, values in CALIBRATIONS.items() if name in folder.resolve().name), None)
        fx, fy, cx, cy = known or (1.0, 1.0, 0.0, 0.0)
        default = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]) if known else None
        files = [folder / name for name in INTRINSICS_FILES]
        intrinsics = lister.intrinsics_from(files, default, folder, f'no {INTRINSICS_FILES[0]}')
        name = folder.relative_to(root).as_posix()
        yield FrameSequence(name, paths, poses, stamps - stamps[0], intrinsics)


def _listed_images(path: Path) -> list[tuple[float, str]]:
    """Read the times, in seconds, and the paths of the images that a ``depth.txt`` lists, in the order of time."""
    try:
        lines = [line.split() for line in read_text(path).splitlines() if line.strip() and not line.startswith('#')]
        times = in_seconds(np.array([float(line[0]) for line in lines])).tolist()
        images = sorted(zip(times, (line[1] for line in lines), strict=True))
        if not (images and np.isfinite(times).all()):
            raise ValueError('it lists nothing' if not images else 'a time is NaN or Inf')
    except (OSError, ValueError, IndexError) as error:
        raise SequenceIndexError(
            f'{path} cannot be read as lines of a time and the path of an image ({error}). Restore the file'
        ) from error
    return images
