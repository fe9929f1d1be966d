"""Sequences of posed depth images in the layout of 7-Scenes, which 3DMatch shares."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...sequence_index import FrameSequence
from ..frame_order import natural_key
from ..root_folder import require_folder
from .depth_frames import DepthFrameLister, files_by_number

DEPTH_SCALE = 1000.0  # millimetres; 65535 where the sensor saw nothing
INTRINSICS_FILES = ('camera-intrinsics.txt', 'intrinsics.txt')  # 3DMatch's, and what is usual
# Those that 7-Scenes' page gives for its Kinects, in pixels of 640 x 480.
PUBLISHED_INTRINSICS = np.array([[585.0, 0.0, 320.0], [0.0, 585.0, 240.0], [0.0, 0.0, 1.0]])


def seven_scenes_sequences(root: Path, lister: DepthFrameLister) -> Iterator[FrameSequence]:
    """Make a sequence for each folder with frames: ``seq-NN`` below a scene, a scene, or the root itself.

    ::

        ROOT/SCENE/seq-NN/frame-%06d.depth.png
        ROOT/SCENE/seq-NN/frame-%06d.pose.txt
        ROOT/SCENE/camera-intrinsics.txt            (3DMatch; it may also lie beside the frames, or in the root)

    7-Scenes itself has no file of intrinsics; then those of its page are taken.

    Args:
        root: The data's root.
        lister: How the key frames are listed.

    Yields:
        Sequences named after their folder's path below the root, with poses (camera to the data's world, which is not
        z-up) and intrinsics, in natural order. One without a usable frame is left out.

    Raises:
        SequenceIndexError: If the root is not a folder, the intrinsics cannot be used, or two files have one number.
    """
    require_folder(root)
    found = (
        path
        for pattern in ('.', '*', '*/*')
        for path in ([root] if pattern == '.' else root.glob(pattern))
        if path.is_dir()
    )
    for folder in sorted(set(found), key=lambda path: natural_key(path.relative_to(root).as_posix())):
        images = files_by_number(folder, 'frame-', '.depth.png')
        if not images:
            continue
        frames, poses = lister.matched(images, files_by_number(folder, 'frame-', '.pose.txt'), root)
        if not frames:
            continue
        lister.scale_is(DEPTH_SCALE, folder.name)
        above = [folder, *(parent for parent in folder.parents if parent == root or root in parent.parents)]
        files = [place / name for place in above for name in INTRINSICS_FILES]
        intrinsics = lister.intrinsics_from(files, PUBLISHED_INTRINSICS, folder, INTRINSICS_FILES[0])
        yield FrameSequence(folder.relative_to(root).as_posix(), frames, poses, intrinsics=intrinsics)
