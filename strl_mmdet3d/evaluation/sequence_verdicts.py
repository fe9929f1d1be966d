"""What somebody should look at before training on an index. Each bound is our choice, and says what it is for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..datasets.sources.lidar.scan_columns import INTENSITY_SCALES, scale_of
from .frame_facts import FrameFacts
from .pair_overlap import AS_GIVEN, NEAR
from .sequence_survey import Survey

MAX_BROKEN = 0.1  # organised scans hold some NaN; more are a fault
MAX_EMPTY = {'lidar': 0.5, 'depth': 0.6, 'shape': 0.0}
SMALL_FRAME = 0.1  # times the median number of points: a scan cut off, or a blocked sensor
SENSOR_HEIGHTS = (0.3, 4.0)  # metres above the ground, from a robot to a lorry
MAX_TILT = 5.0  # degrees; KITTI's scans have 1 to 2
MIN_IN_RANGE = 0.15  # KITTI's range, which looks forward only, holds half of a scan
MAX_CUT_BY_Z = 0.15  # KITTI's range cuts off 1 to 2 % of its scans
STANDING = 1.0  # metres
ROOM = (0.3, 8.0)  # metres, median distance of a depth frame
WORSE = 0.05  # by which aligning must not worsen the overlap
BETTER = 0.15  # by which another reading of the poses must be better to be named
FEW_MEET = 0.25  # share of the points that a right pose brings together in any scene that we know
MAX_UP = 45.0  # degrees; a camera whose whole picture is higher looks at the ceiling, or z is not up


def verdicts(survey: Survey) -> list[str]:
    """Return what to look at, a sentence each, the gravest first."""
    parts = (_of_files, _of_poses, _of_values, _of_axes, _of_range, _of_times)
    return [sentence for part in parts for sentence in part(survey)]


def _of_files(survey: Survey) -> Iterator[str]:
    """Frames that cannot be used, or are unlike the others."""
    if survey.bad:
        path, reason = survey.bad[0]
        total = len(survey.bad) + len(survey.frames)
        yield f'{len(survey.bad)} of the {total} frames looked at cannot be used, the first is {path}: {reason}'
    if not survey.frames:
        return
    records = np.array([frame.num_records for frame in survey.frames])
    broken = np.array([frame.num_broken for frame in survey.frames]) / records
    empty = np.array([frame.num_empty for frame in survey.frames]) / records
    if broken.max() > MAX_BROKEN:
        yield (
            f'{broken.max():.0%} of the records of {survey.frames[broken.argmax()].path} are NaN or Inf: check '
            'load_dim, or how the file was written'
        )
    if empty.max() > MAX_EMPTY[survey.kind]:
        what = 'pixels have no depth' if survey.kind == 'depth' else 'records are at (0, 0, 0)'
        yield f'{empty.max():.0%} of the {what} in {survey.frames[empty.argmax()].path}'
    points = np.array([frame.num_points for frame in survey.frames])
    if points.min() < SMALL_FRAME * np.median(points):
        yield (
            f'{survey.frames[points.argmin()].path} has {points.min():,} points, where the median is '
            f'{np.median(points):,.0f}'
        )


def _of_poses(survey: Survey) -> Iterator[str]:
    """Poses that cannot be right."""
    posed = [sequence for sequence in survey.sequences if sequence.has_poses]
    if posed and len(posed) < len(survey.sequences):
        missing = next(sequence for sequence in survey.sequences if not sequence.has_poses)
        yield (
            f'{len(survey.sequences) - len(posed)} of {len(survey.sequences)} sequences have no poses, '
            f'{missing.sequence_id} the first: align_poses=True refuses such an index'
        )
    jumping = [sequence for sequence in posed if sequence.jumps]
    if jumping:
        number = sum(len(sequence.jumps) for sequence in jumping)
        yield f'{number} jumps of the pose in {len(jumping)} sequences: {jumping[0].jumps[0]}'
    still = [sequence for sequence in posed if sequence.metres is not None and sequence.metres < STANDING]
    if still and survey.kind == 'lidar':
        yield (
            f'the sensor moves less than {STANDING:g} m in {len(still)} of {len(posed)} sequences with poses, '
            f'{still[0].sequence_id} the first: do their poses hold the motion?'
        )
    if survey.overlaps:
        yield from _of_overlap(survey)


def _of_overlap(survey: Survey) -> Iterator[str]:
    """Poses that do not bring frames together."""
    given = float(np.mean([overlap.as_given for overlap in survey.overlaps]))
    unaligned = float(np.mean([overlap.unaligned for overlap in survey.overlaps]))
    means = {
        name: float(np.mean([overlap.aligned[name] for overlap in survey.overlaps]))
        for name in survey.overlaps[0].aligned
    }
    best = max(means, key=lambda name: means[name])
    near = f'{NEAR[survey.kind]:g} m'
    if best != AS_GIVEN and means[best] > max(given, unaligned) + BETTER:
        yield (
            f'the poses seem to mean something else: of the points of a frame, {given:.0%} meet a neighbouring frame '
            f'within {near} by the poses as given, but {means[best]:.0%} by the poses {best}'
        )
    elif given < unaligned - WORSE:
        yield (
            f'the poses put frames apart: of the points of a frame, {unaligned:.0%} meet a neighbouring frame within '
            f'{near} without the poses, {given:.0%} with them'
        )
    elif given < FEW_MEET:
        yield (
            f'aligned frames hardly meet: {given:.0%} of their points are within {near} of the other frame. Check the '
            'poses, or choose key frames closer to each other'
        )


def _of_values(survey: Survey) -> Iterator[str]:
    """Columns that a detector would not expect."""
    if survey.kind != 'lidar' or not survey.frames:
        return
    names = survey.frames[0].columns  # the values of a point, and behind z its distance
    alike = survey.alike
    if others := len(survey.frames) - len(alike):
        yield (
            f'{others} of {len(survey.frames)} frames have another number of values than the first, which has '
            f'{len(names) - 1}: LoadFrame(load_dim=...) takes one number, so make an index of each kind'
        )
    largest = np.max([frame.quantiles[:, -1] for frame in alike], axis=0)
    least = np.min([frame.quantiles[:, 0] for frame in alike], axis=0)
    for column in range(4, len(names)):
        if least[column] == largest[column]:
            yield f'{names[column]} is {largest[column]:g} in all points looked at, so it says nothing'
    if 'intensity' in names:
        column = names.index('intensity')
        if least[column] < 0:
            yield f'intensity goes down to {least[column]:g}: is that column the intensity?'
        scale = max(
            scale_of(float(frame.quantiles[column, -2]), float(frame.quantiles[column, -1]), bool(frame.whole[column]))
            for frame in alike
        )
        if scale > INTENSITY_SCALES[0]:
            yield (
                f'intensity goes up to {largest[column]:g}, a scale of 0 to {scale:g}. Detectors trained on KITTI '
                f'take 0 to 1: set LoadFrame(intensity_scale=1 / {scale:g}). Those of nuScenes take 0 to 255'
            )


def _of_axes(survey: Survey) -> Iterator[str]:
    """Axes, heights and scales that no sensor of the kind has."""
    if survey.kind == 'shape' or not survey.frames:
        return
    if survey.kind == 'depth':
        distances = np.array([frame.quantiles[3, 2] for frame in survey.frames])
        middle = float(np.median(distances))
        if not ROOM[0] <= middle <= ROOM[1]:
            yield (
                f'the median distance of the depth frames is {middle:.3g} m, which no room has: check the depth scale '
                f'(units per metre, now {survey.metainfo.get("depth_scale", 1000):g})'
            )
        upwards = [frame for frame in survey.frames if frame.elevation[0] > MAX_UP]
        if upwards and len(upwards) >= len(survey.frames) / 4:
            yield (
                f'in {len(upwards)} of {len(survey.frames)} frames all points are more than {MAX_UP:g} degrees above '
                'the camera: z of the world does not point up'
            )
        return
    grounds = [frame.ground for frame in survey.frames if frame.ground is not None]
    if len(grounds) < len(survey.frames) / 2:
        yield (
            f'no ground is found below the sensor in {len(survey.frames) - len(grounds)} of {len(survey.frames)} '
            'frames: check that z points up and that load_dim is right'
        )
    if grounds:
        height = float(np.median([ground.height for ground in grounds]))
        tilt = float(np.median([ground.tilt for ground in grounds]))
        if not SENSOR_HEIGHTS[0] <= height <= SENSOR_HEIGHTS[1]:
            yield f'the sensor seems to be {height:.2f} m above the ground. Is the origin of the points the sensor?'
        if tilt > MAX_TILT:
            yield (
                f'the ground is tilted by {tilt:.1f} degrees: the sensor is mounted at an angle, but detectors take z '
                'as upwards. Turn the points when you convert them'
            )


def _of_range(survey: Survey) -> Iterator[str]:
    """A range that does not fit the points."""
    if survey.point_cloud_range is None or not survey.frames:
        return
    low, high = survey.point_cloud_range[2], survey.point_cloud_range[5]
    inside = float(np.mean([frame.in_range or 0.0 for frame in survey.frames]))
    cut = float(np.mean([frame.cut_by_z or 0.0 for frame in survey.frames]))
    ground = ground_z(survey.frames)
    if inside < MIN_IN_RANGE:
        yield f'only {inside:.0%} of the points lie within the range {list(survey.point_cloud_range)}'
    if ground is not None and not low < ground < high:
        yield f'the ground is at z = {ground:.2f} m, outside of the range of z, {low:g} to {high:g} m'
    elif cut > MAX_CUT_BY_Z:
        yield f'the range of z, {low:g} to {high:g} m, cuts off {cut:.0%} of the points within the range of x and y'


def ground_z(frames: list[FrameFacts]) -> float | None:
    """Return the median height of the ground, metres, or None if no frame has one."""
    heights = [frame.ground.z for frame in frames if frame.ground is not None]
    return float(np.median(heights)) if heights else None


def _of_times(survey: Survey) -> Iterator[str]:
    """Gaps between frames, and sequences that are too short."""
    gaps = [sequence for sequence in survey.sequences if sequence.time_gaps]
    if gaps:
        number = sum(len(sequence.time_gaps) for sequence in gaps)
        yield f'{number} gaps of time in {len(gaps)} sequences: {gaps[0].time_gaps[0]}'
    alone = sum(sequence.num_frames == 1 for sequence in survey.sequences)
    if survey.kind != 'shape' and alone:
        yield f"{alone} of {len(survey.sequences)} sequences have one frame: they make pairs with mode='spatial' only"
