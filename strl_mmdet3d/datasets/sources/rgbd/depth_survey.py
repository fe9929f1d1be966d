"""Looks at a few frames of each walk of depth images: is the room of a plausible size, and which way is up?

The poses of a walk whose world is not z-up are turned, so that all that reads the index may take z for up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from ...readers.depth_image import check_size, read_depth
from ...readers.frame_file import CorruptFrameError
from ...readers.up_axis import UpEvidence, find_up, turn_to_z
from ...sequence_index import FrameSequence, SequenceIndexError
from .depth_frames import MAX_NOTES, DepthFrameLister

World = Literal['z-up', 'measured z-up', 'unknown']
"""What a data set says of the world of its poses: z is up, which a floor or the cameras can refute; z is up by a sense
of gravity, which nothing refutes; or nothing."""

Z = np.array([0.0, 0.0, 1.0])
NUM_FRAMES = 12  # looked at in each walk
GRID = (60, 80)  # at most so many rows and columns of an image are looked at
LARGEST = np.iinfo(np.uint16).max

ROOM_SIZES = (0.2, 30.0)  # metres, the plausible median depths of a room; a desk is at 0.5, a hall at 10
KNOWN_SCALES = (1000.0, 5000.0, 4000.0, 256.0, 10_000.0, 100.0)  # millimetres, TUM, Redwood's SDF, KITTI, 0.1 mm, cm
USUAL_DEPTH = 2.0  # metres, in the middle of a room
MAX_CAMERA_HEIGHT = 5.0  # metres above the floor, for a camera in a hand or on a robot

# Sensors of 11 to 16 bits write their largest value where a surface is too far. It is taken for one if it is the
# largest value of all frames, at least this share of the pixels has it, and hardly any has a value shortly below it.
FULL_SCALES = tuple(2**bits - 1 for bits in range(11, 16))
MIN_SHARE_AT_LIMIT = 0.005
MAX_RATIO_BELOW = 0.2  # pixels within 5 % below the limit, per pixel at it

MAX_TILT_OF_WORLD = 15.0  # degrees: nearer than this, a floor confirms the z-up world that a data set documents
MAX_TILT_OF_CAMERAS = 60.0  # degrees: cameras whose upper side is farther from z contradict it


def surveyed(
    sequences: Iterable[FrameSequence], root: Path, lister: DepthFrameLister, world: World
) -> Iterator[FrameSequence]:
    """Check each walk's size, and turn its poses so that z points up.

    Args:
        sequences: Walks of depth images with poses and intrinsics.
        root: The data's root.
        lister: Has listed them; what is found is added to its ``found`` and ``notes``.
        world: What the data set says of its worlds.

    Yields:
        The walks, with their poses in a world with z up.

    Raises:
        SequenceIndexError: If a room has no plausible size, no image has the size of the camera's images, or up cannot
            be found in a data set whose world has no documented up.
    """
    given = Z if lister.up is None and world == 'measured z-up' else lister.up
    limits: list[int | None] = []
    turned: dict[str, list[float]] = {}
    num_unknown = num_noted = 0
    for sequence in sequences:
        chosen, images = _load_some(sequence, root)
        limits.append(_full_scale(images))
        images = [_without_marks(image, limits[-1]) for image in images]
        scale = lister.found['depth_scale']
        _check_room(sequence.sequence_id, images, scale)
        assert sequence.poses is not None
        evidence = None
        if images and given is None:
            grids = [_grid(image, sequence.intrinsics, scale) for image in images]
            evidence = find_up(grids, sequence.poses[chosen])
        if evidence is not None and evidence.has_plane:
            _check_height(sequence.sequence_id, evidence, scale)
        up, is_known = _decide(sequence.sequence_id, evidence, given, world)
        num_unknown += not is_known
        if not np.array_equal(up, Z):
            turned[sequence.sequence_id] = up.tolist()
            sequence = replace(sequence, poses=turn_to_z(up) @ sequence.poses)
        if num_noted < MAX_NOTES:
            num_noted += 1
            lister.notes.append(f'{sequence.sequence_id}: {_describe(evidence, up, given, is_known)}')
        yield sequence
    _state(lister, limits, turned, num_unknown)


def _state(
    lister: DepthFrameLister, limits: list[int | None], turned: dict[str, list[float]], num_unknown: int
) -> None:
    """Add what was found of all walks to what the index states."""
    if limits and None not in limits and len(set(limits)) == 1:
        (limit,) = set(limits)
        assert limit is not None
        lister.found['largest_depth'] = limit - 1
        lister.notes.append(f"the value {limit} marks 'nothing seen', as 0 and {LARGEST} do")
    if turned:
        lister.found['up_in_data'] = turned
        lister.notes.append(f'the poses of {len(turned)} walks were turned, so that z points up')
    if limits and not num_unknown:
        lister.found['up'] = [0.0, 0.0, 1.0]


def _load_some(sequence: FrameSequence, root: Path) -> tuple[list[int], list[np.ndarray]]:
    """Read some images of a walk, evenly spread. Damaged ones are skipped, as training skips them.

    Raises:
        SequenceIndexError: If not one of those that can be read has the size of the camera's images.
    """
    assert sequence.intrinsics is not None
    chosen, images, misfit = [], [], None
    for number in np.unique(np.linspace(0, len(sequence.frames) - 1, NUM_FRAMES).astype(int)).tolist():
        path = str(root / sequence.frames[number])
        try:
            image = read_depth(path)
        except CorruptFrameError:
            continue
        try:
            check_size(image.shape, sequence.intrinsics, path)
        except CorruptFrameError as error:
            misfit = error
            continue
        chosen.append(number)
        images.append(image)
    if misfit is not None and not images:
        raise SequenceIndexError(
            f'{misfit}. If the intrinsics are wrong, give them by --intrinsics FX,FY,CX,CY'
        ) from misfit
    return chosen, images


def _full_scale(images: list[np.ndarray]) -> int | None:
    """Return the value below 65535 by which a sensor marks what is too far; None if there is none."""
    if not images:
        return None
    values = np.concatenate([image[(image > 0) & (image < LARGEST)] for image in images])
    if not len(values) or (limit := int(values.max())) not in FULL_SCALES:
        return None
    at_limit, below = int((values == limit).sum()), int(((values >= 0.95 * limit) & (values < limit)).sum())
    has_peak = at_limit >= MIN_SHARE_AT_LIMIT * sum(image.size for image in images)
    return limit if has_peak and below <= MAX_RATIO_BELOW * at_limit else None


def _without_marks(image: np.ndarray, limit: int | None) -> np.ndarray:
    """Return a copy of an image, 0 where nothing was seen."""
    return np.where(image < (limit or LARGEST), image, 0)


def _check_room(name: str, images: list[np.ndarray], scale: float) -> None:
    """Raise a SequenceIndexError if the median depth of a walk is not that of a room."""
    depths = np.concatenate([image[image > 0] for image in images]) if images else np.empty(0)
    if not len(depths):
        return
    median = float(np.median(depths))
    least, largest = ROOM_SIZES
    if not least <= median / scale <= largest:
        raise SequenceIndexError(
            f'{name}: half of the depth is beyond {median / scale:.3g} m with {scale:g} depth values per metre, but '
            f'{least:g} to {largest:g} m are expected of a room. {_remedy(median)}'
        )


def _check_height(name: str, evidence: UpEvidence, scale: float) -> None:
    """Raise a SequenceIndexError if the cameras are too high above the floor."""
    if evidence.height > MAX_CAMERA_HEIGHT:
        raise SequenceIndexError(
            f'{name}: with {scale:g} depth values per metre, the floor is {evidence.height:.3g} m below the cameras, '
            f'but at most {MAX_CAMERA_HEIGHT:g} m are expected. {_remedy(evidence.height * scale, 1.3)}'
        )


def _remedy(values: float, metres: float = USUAL_DEPTH) -> str:
    """Name the known scales, two at most, by which a depth in a file's values comes nearest to what is usual."""
    distances = {scale: abs(float(np.log(values / scale / metres))) for scale in KNOWN_SCALES}
    first, second = sorted(distances, key=lambda scale: distances[scale])[:2]
    fits = [first, second] if distances[second] < np.log(2) else [first]
    return 'Give --depth-scale: ' + ', '.join(f'{scale:g} would make it {values / scale:.2g} m' for scale in fits)


def _grid(image: np.ndarray, intrinsics: np.ndarray | None, scale: float) -> np.ndarray:
    """Return some of an image's points (H, W, 3) in the camera's axes, metres; NaN where nothing was seen."""
    assert intrinsics is not None
    steps = [max(1, -(-size // most)) for size, most in zip(image.shape, GRID, strict=True)]
    rows, columns = (np.arange(0, size, step) for size, step in zip(image.shape, steps, strict=True))
    depth = image[np.ix_(rows, columns)] / scale
    depth[depth == 0] = np.nan
    (fx, skew, cx), (_, fy, cy), _ = intrinsics
    y = (rows[:, None] - cy) / fy
    x = (columns[None] - cx - skew * y) / fx
    return np.stack([x * depth, y * depth, depth], axis=2)


def _decide(name: str, evidence: UpEvidence | None, given: np.ndarray | None, world: World) -> tuple[np.ndarray, bool]:
    """Return up (3,) in the world of a walk, and whether it is known.

    Raises:
        SequenceIndexError: If nothing says which way is up.
    """
    if given is not None:
        return given, True
    if evidence is None:
        if world == 'z-up':
            return Z, False
        raise SequenceIndexError(
            f'{name}: which way is up cannot be found, since no frame can be read or the cameras are held in all ways. '
            'Give it by --up, such as --up=-y'
        )
    tilt = float(np.degrees(np.arccos(np.clip(evidence.up @ Z, -1, 1))))
    if world == 'z-up' and tilt <= (MAX_TILT_OF_WORLD if evidence.has_plane else MAX_TILT_OF_CAMERAS):
        return Z, True
    return evidence.up, True


def _describe(evidence: UpEvidence | None, up: np.ndarray, given: np.ndarray | None, is_known: bool) -> str:
    """Say in one line which way is up and how that is known."""
    if given is not None:
        return f'up is ({", ".join(f"{entry:g}" for entry in up)}), as given or measured by the device'
    if not is_known or evidence is None:
        return 'up is taken to be z, as the data set documents; no floor was seen, and the cameras are held in all ways'
    if np.array_equal(up, Z) and not np.array_equal(evidence.up, up):
        return f'up is z, as the data set documents; the data agrees: {evidence}'
    return f'{evidence}. If that is wrong, give --up'
