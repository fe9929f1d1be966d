"""Sequences of posed depth images, in ScanNet's layouts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...readers.sens_file import SensHeader, read_header, sens_path, walk_frames
from ...readers.whole_file import read_text, require_regular
from ...sequence_index import FrameSequence, SequenceIndexError, are_intrinsics
from ..frame_order import natural_key
from ..root_folder import require_folder
from .depth_frames import TRUNCATED, DepthFrameLister, files_by_number

DEPTH_SCALE = 1000.0  # ScanNet's depth is in millimetres

# Relative to a scene: in scannet_frames_25k, and in a folder extracted from .sens.
INTRINSICS_PATHS = ('intrinsics_depth.txt', 'intrinsic/intrinsic_depth.txt')
INFO = '_info.txt'  # of ScanNet's C++ exporter, beside its images and poses
INFO_KEYS = ('m_calibrationDepthIntrinsic', 'm_depthShift')


def scannet_sequences(root: Path, lister: DepthFrameLister) -> Iterator[FrameSequence]:
    """Make a sequence for each scene.

    A scene has the layout of ``scannet_frames_25k``, which holds every 100th frame; of a folder extracted from
    ``.sens`` by the published Python script, which holds all frames; of the published C++ exporter; or it is the
    ``.sens`` file itself, whose images are read from it in training. They may be mixed::

        ROOT/SCENE/depth/%06d.png               ROOT/SCENE/depth/N.png
        ROOT/SCENE/pose/%06d.txt                ROOT/SCENE/pose/N.txt
        ROOT/SCENE/intrinsics_depth.txt         ROOT/SCENE/intrinsic/intrinsic_depth.txt

        ROOT/SCENE/frame-%06d.depth.pgm (or .png)
        ROOT/SCENE/frame-%06d.pose.txt          ROOT/SCENE/SCENE.sens
        ROOT/SCENE/_info.txt

    A scene that is there both as images and as ``.sens`` is taken once, as images.

    Args:
        root: The data's root.
        lister: How the key frames of a scene are listed.

    Yields:
        Sequences named after their scene, with poses (camera to the data's world) and intrinsics, in natural order. A
        scene without a usable key frame is left out.

    Raises:
        SequenceIndexError: If the root is not a folder, the intrinsics of a scene are missing or unusable, or two of
            its files have the same number.
    """
    require_folder(root)
    for scene in sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: natural_key(path.name)):
        sequence = None
        if (scene / 'depth').is_dir():
            sequence = _of_folders(root, scene, lister)
        elif (scene / INFO).is_file():
            sequence = _of_export(root, scene, lister)
        elif recordings := sorted(path for path in scene.glob('*.sens') if not path.name.startswith('.')):
            for recording in recordings:
                name = scene.name if len(recordings) == 1 else f'{scene.name}/{recording.stem}'
                sequence = _of_sens(root, name, recording, lister)
                if sequence is not None:
                    yield sequence
            continue
        if sequence is not None:
            yield sequence


def _of_folders(root: Path, scene: Path, lister: DepthFrameLister) -> FrameSequence | None:
    """Make the sequence of a scene with the folders ``depth`` and ``pose``."""
    images = {
        **files_by_number(scene / 'depth', '', '.pgm'),
        **files_by_number(scene / 'depth', '', '.png'),
    }
    frames, poses = lister.matched(images, files_by_number(scene / 'pose', '', '.txt'), root)
    if not frames:
        return None
    lister.scale_is(DEPTH_SCALE, scene.name)
    files = [scene / path for path in INTRINSICS_PATHS]
    names = f'neither {INTRINSICS_PATHS[0]} nor {INTRINSICS_PATHS[1]}'
    return FrameSequence(scene.name, frames, poses, intrinsics=lister.intrinsics_from(files, None, scene, names))


def _of_export(root: Path, scene: Path, lister: DepthFrameLister) -> FrameSequence | None:
    """Make the sequence of a scene that the C++ exporter has written."""
    images = {
        **files_by_number(scene, 'frame-', '.depth.png'),
        **files_by_number(scene, 'frame-', '.depth.pgm'),
    }
    frames, poses = lister.matched(images, files_by_number(scene, 'frame-', '.pose.txt'), root)
    if not frames:
        return None
    intrinsics, scale = read_info(scene / INFO)
    lister.scale_is(scale, scene.name)
    return FrameSequence(
        scene.name, frames, poses, intrinsics=intrinsics if lister.intrinsics is None else lister.intrinsics
    )


def read_info(path: Path) -> tuple[np.ndarray, float]:
    """Read the depth camera from the ``_info.txt`` of the C++ exporter, lines of ``key = value``.

    Returns:
        K (3, 3), and the depth values per metre.

    Raises:
        SequenceIndexError: If the file cannot be read or lacks one of them.
    """
    try:
        pairs = (line.partition('=') for line in read_text(path).splitlines())
        values = {key.strip(): value.split() for key, _, value in pairs}
        matrix, (scale,) = (np.array(values[key], dtype=np.float64) for key in INFO_KEYS)
        intrinsics = matrix.reshape(4, 4)[:3, :3]
        if not (are_intrinsics(intrinsics) and 0 < scale < np.inf):
            raise ValueError('they are not those of a camera')
        return intrinsics, float(scale)
    except (OSError, ValueError, KeyError) as error:
        raise SequenceIndexError(
            f'{path} does not state {" and ".join(INFO_KEYS)} ({error}). Export the scene again'
        ) from error


def _of_sens(root: Path, name: str, path: Path, lister: DepthFrameLister) -> FrameSequence | None:
    """Make the sequence of a ``.sens`` recording, without reading its images. If it is cut off, what is whole is kept.

    Raises:
        SequenceIndexError: If the file cannot be read or its head is damaged.
    """
    try:
        require_regular(path)
        with path.open('rb') as file:
            header = read_header(file)
            frames = []
            try:
                for frame in walk_frames(file, header):
                    frames.append(frame)
            except ValueError as error:
                lister.leave_out(TRUNCATED, path)
                lister.notes.append(f'{path}: {error}. The frames before are used. Download it again for the rest')
    except (OSError, ValueError) as error:
        raise SequenceIndexError(f'{path} is not a whole .sens recording ({error}). Download it again') from error
    chosen = frames[:: lister.key_frame_every]
    relative = path.relative_to(root).as_posix()
    times = {sens_path(relative, frame): frame.time for frame in chosen}
    paths, poses = lister.usable((sens_path(relative, frame), path, frame.pose) for frame in chosen)
    if not paths:
        return None
    lister.scale_is(header.depth_scale, path.name)
    stamps = np.array([times[frame] for frame in paths])
    has_stamps = len(stamps) > 1 and bool((np.diff(stamps) > 0).all())
    return FrameSequence(
        name, paths, poses, stamps - stamps[0] if has_stamps else None, intrinsics=_sens_camera(path, header, lister)
    )


def _sens_camera(path: Path, header: SensHeader, lister: DepthFrameLister) -> np.ndarray:
    """Return K (3, 3) of a ``.sens`` recording, or the one that was given."""
    if lister.intrinsics is not None:
        return lister.intrinsics
    if not are_intrinsics(header.intrinsics):
        raise SequenceIndexError(f'{path} holds no intrinsics of its depth camera. Give --intrinsics FX,FY,CX,CY')
    return header.intrinsics
