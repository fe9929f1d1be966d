"""Sequences of posed depth images in the layout of ARKitScenes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ...readers.intrinsics_file import read_intrinsics
from ...readers.number_rows import read_number_rows
from ...readers.trajectory import Trajectory, poses_at, require_pose
from ...sequence_index import FrameSequence
from ..frame_order import natural_key
from ..root_folder import require_folder
from .depth_frames import NO_POSE, DepthFrameLister

DEPTH_SCALE = 1000.0  # millimetres
IMAGES, TRAJECTORY, CAMERAS = 'lowres_depth', 'lowres_wide.traj', 'lowres_wide_intrinsics'
MAX_POSE_GAP = 0.3  # seconds between two poses to interpolate from; the trajectory has ten per second
MAX_CAMERA_GAP = 0.005  # seconds between an image and its intrinsics, whose names may differ by 0.001
# The autofocus moves the focal length a little from frame to frame, and an index has one camera for a walk. At 3 m, 1 %
# of the focal length moves a point at the image's edge by 2 cm.
MAX_CAMERA_CHANGE = 0.01
NO_INTRINSICS, OTHER_INTRINSICS = 'no_intrinsics', 'intrinsics_differ'


def arkit_sequences(root: Path, lister: DepthFrameLister) -> Iterator[FrameSequence]:
    """Make a sequence for each video.

    ::

        ROOT/**/VIDEO/lowres_depth/VIDEO_TIME.png
        ROOT/**/VIDEO/lowres_wide_intrinsics/VIDEO_TIME.pincam      one line: width height fx fy cx cy
        ROOT/**/VIDEO/lowres_wide.traj                              lines: time, axis times angle (3), translation (3),
                                                                    of the world in the camera's axes

    The poses are interpolated to the images' times. The intrinsics of a walk are the median of its frames'; frames
    that differ from it by more than 1 % are left out.

    Args:
        root: The data's root.
        lister: How the key frames are listed.

    Yields:
        Sequences named after the path of their folder, with poses (camera to world, z upwards by the device's sense of
        gravity), time stamps and intrinsics, in natural order. One without a usable frame is left out.

    Raises:
        SequenceIndexError: If the root is not a folder, or a trajectory or intrinsics cannot be read.
    """
    require_folder(root)
    found = (path.parent for depth in range(4) for path in root.glob('*/' * depth + IMAGES) if path.is_dir())
    for folder in sorted(found, key=lambda path: natural_key(path.relative_to(root).as_posix())):
        images = _by_time(folder / IMAGES, '.png')[:: lister.key_frame_every]
        if not images or not (folder / TRAJECTORY).is_file():
            for _, path in images:
                lister.leave_out(NO_POSE, path)
            continue
        times = np.array([time for time, _ in images])
        all_poses, _ = poses_at(read_arkit_trajectory(folder / TRAJECTORY), times, MAX_POSE_GAP)
        has_pose = ~np.isnan(all_poses).any(axis=(1, 2))
        cameras = _cameras(folder, images, lister)
        median = np.median([camera for camera in cameras if camera is not None], axis=0)
        frames, stamps = [], {}
        for i, (time, path) in enumerate(images):
            camera = cameras[i]
            if camera is None:
                lister.leave_out(NO_INTRINSICS, path)
            elif (np.abs(camera - median) > MAX_CAMERA_CHANGE * median.max()).any():
                lister.leave_out(OTHER_INTRINSICS, path)
            elif not has_pose[i]:
                lister.leave_out(NO_POSE, path)
            else:
                frames.append((path.relative_to(root).as_posix(), folder / TRAJECTORY, all_poses[i]))
                stamps[frames[-1][0]] = time
        paths, poses = lister.usable(frames, root)
        if not paths:
            continue
        lister.scale_is(DEPTH_SCALE, folder.name)
        seconds = np.array([stamps[path] for path in paths])
        yield FrameSequence(folder.relative_to(root).as_posix(), paths, poses, seconds - seconds[0], median)


def read_arkit_trajectory(path: Path) -> Trajectory:
    """Read a ``.traj``: lines of a time, a rotation as axis times angle, and a translation, from world to camera.

    Returns:
        The trajectory with times in seconds; its poses are camera to world, NaN where a line is broken.

    Raises:
        SequenceIndexError: If the file cannot be read, or no line of it is a pose.
    """
    rows = read_number_rows(path, (7,), -1)
    require_pose(rows)
    good = np.flatnonzero(np.isfinite(rows.values).all(axis=1))
    poses = np.full((len(rows), 4, 4), np.nan)
    poses[good] = np.eye(4)
    to_world = Rotation.from_rotvec(rows.values[good, 1:4]).inv()
    poses[good, :3, :3] = to_world.as_matrix()
    poses[good, :3, 3] = -to_world.apply(rows.values[good, 4:7])
    return Trajectory(rows, poses, times=rows.values[:, 0])


def _cameras(folder: Path, images: list[tuple[float, Path]], lister: DepthFrameLister) -> list[np.ndarray | None]:
    """Return K (3, 3) of each image, None where it has no file; the given K for all, if there is one."""
    if lister.intrinsics is not None:
        return [lister.intrinsics] * len(images)
    files = _by_time(folder / CAMERAS, '.pincam')
    if not files:
        return [lister.intrinsics_from([], None, folder, f'no {CAMERAS}/*.pincam')]
    times = np.array([time for time, _ in files])
    nearest = [int(np.abs(times - time).argmin()) for time, _ in images]
    return [
        read_intrinsics(files[k][1]) if abs(times[k] - time) <= MAX_CAMERA_GAP else None
        for k, (time, _) in zip(nearest, images, strict=True)
    ]


def _by_time(folder: Path, ext: str) -> list[tuple[float, Path]]:
    """Return the files named ``VIDEO_TIME`` of a folder in the order of time, in seconds; none if it is missing."""
    if not folder.is_dir():
        return []
    files = []
    for path in folder.iterdir():
        word = path.name.removesuffix(ext).rpartition('_')[2]
        if path.suffix == ext and not path.name.startswith('.') and word.replace('.', '', 1).isdecimal():
            files.append((float(word), path))
    return sorted(files)
