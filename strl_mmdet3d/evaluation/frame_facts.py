"""Facts about one frame: its values, its field of view, the ground under its sensor, and what a range would leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .raw_frames import RawFrame

QUANTILES = (0, 0.01, 0.5, 0.99, 1)
NUM_SAMPLES = 3000  # rows of a frame that are kept for the histograms
NUM_SECTORS = 72  # of azimuth, 5 degrees each

# The ground is looked for where a LiDAR sees it well: nearer lies the car itself, farther few returns.
GROUND_FROM, GROUND_TO = 2.5, 25.0  # metres
GROUND_CELL = 2.0  # metres; of each cell, the lowest points are a candidate
GROUND_PERCENTILE = 5
GROUND_NEAR = 0.2  # metres from the plane
MAX_TILT = 20.0  # degrees; a plane that is steeper is no ground
MIN_CELLS = 12
NUM_TRIES = 200
MIN_SUPPORT = 0.3  # share of the cells that a ground plane must go through

Range = Sequence[float]


@dataclass
class Ground:
    """The plane under a sensor.

    Attributes:
        height: How far the sensor is above it, metres.
        tilt: The angle between its normal and z, degrees.
        z: Its z below the sensor.
    """

    height: float
    tilt: float
    z: float


@dataclass
class FrameFacts:
    """What a frame holds.

    Attributes:
        path: Its path, relative to the data's root.
        num_records: How many records, or pixels, the file holds.
        num_broken: How many of them hold NaN or Inf.
        num_empty: How many of them are (0, 0, 0), or have no depth.
        num_points: How many are returns.
        columns: The names (C,) of the values of a row, the distance from the sensor behind x, y and z.
        quantiles: (C, 5): least, 1 %, median, 99 %, largest.
        whole: Whether each column (C,) holds whole numbers only.
        samples: Rows (S, C), evenly taken.
        azimuth: How many degrees of azimuth have returns.
        elevation: 1 % and 99 % of the returns' elevation, degrees.
        ground: The ground, or None if no plane is found.
        in_range: The share of the returns within the range, or None without a range.
        cut_by_z: Of the returns within the range's x and y, the share that its z cuts off.
    """

    path: str
    num_records: int
    num_broken: int
    num_empty: int
    num_points: int
    columns: list[str]
    quantiles: np.ndarray
    whole: np.ndarray
    samples: np.ndarray
    azimuth: int
    elevation: tuple[float, float]
    ground: Ground | None
    in_range: float | None
    cut_by_z: float | None


def frame_facts(frame: RawFrame, point_cloud_range: Range | None) -> FrameFacts:
    """Return the facts of a frame; the range is (x_min, y_min, z_min, x_max, y_max, z_max) in metres, or None."""
    coords = frame.rows[:, :3].astype(np.float64)
    distance = np.linalg.norm(coords, axis=1)
    values = np.column_stack([coords, distance, frame.rows[:, 3:].astype(np.float64)])
    flat = np.hypot(coords[:, 0], coords[:, 1])
    sectors = ((np.arctan2(coords[:, 1], coords[:, 0]) / (2 * np.pi) + 0.5) * NUM_SECTORS).astype(int) % NUM_SECTORS
    low, high = np.degrees(np.quantile(np.arctan2(coords[:, 2], flat), [0.01, 0.99]))
    in_range, cut_by_z = shares_in_range(coords, point_cloud_range) if point_cloud_range is not None else (None, None)
    return FrameFacts(
        path=frame.path,
        num_records=frame.num_records,
        num_broken=frame.num_broken,
        num_empty=frame.num_empty,
        num_points=len(coords),
        columns=[*frame.columns[:3], 'distance', *frame.columns[3:]],
        quantiles=np.quantile(values, QUANTILES, axis=0).T,
        whole=(values == np.round(values)).all(axis=0),
        samples=values[np.linspace(0, len(values) - 1, min(len(values), NUM_SAMPLES)).astype(int)],
        azimuth=len(np.unique(sectors)) * 360 // NUM_SECTORS,
        elevation=(float(low), float(high)),
        ground=find_ground(coords),
        in_range=in_range,
        cut_by_z=cut_by_z,
    )


def shares_in_range(coords: np.ndarray, point_cloud_range: Range) -> tuple[float, float]:
    """Return the share of points (N, 3) within a range, and of those within its x and y the share that z cuts off."""
    box = np.asarray(point_cloud_range, np.float64)
    inside = (coords > box[:3]) & (coords < box[3:])
    within_xy = inside[:, :2].all(axis=1)
    num_within = max(1, int(within_xy.sum()))
    return float(inside.all(axis=1).mean()), float((within_xy & ~inside[:, 2]).sum() / num_within)


def find_ground(coords: np.ndarray) -> Ground | None:
    """Find the plane that most of the lowest points of a frame lie on: RANSAC, and then least squares.

    Args:
        coords: (N, 3), metres, z roughly upwards, the sensor at the origin.

    Returns:
        The plane; None if fewer than :data:`MIN_SUPPORT` of the cells have their lowest points on one below the sensor.
    """
    flat = np.hypot(coords[:, 0], coords[:, 1])
    reach = GROUND_FROM if (flat > GROUND_FROM).mean() > 0.5 else 0.0  # a room is smaller
    lowest = lowest_points(coords[(flat > reach) & (flat < GROUND_TO)], GROUND_CELL if reach else GROUND_CELL / 4)
    if len(lowest) < MIN_CELLS:
        return None
    rng = np.random.default_rng(0)
    best = np.zeros(len(lowest), np.bool_)
    for _ in range(NUM_TRIES):
        plane = fit_plane(lowest[rng.choice(len(lowest), 3, replace=False)])
        near = np.abs(lowest[:, 2] - np.column_stack([lowest[:, :2], np.ones(len(lowest))]) @ plane) < GROUND_NEAR
        if plane[2] < 0 and tilt_of(plane) <= MAX_TILT and near.sum() > best.sum():
            best = near
    if best.sum() < max(MIN_CELLS, MIN_SUPPORT * len(lowest)):
        return None
    plane = fit_plane(lowest[best])
    tilt = tilt_of(plane)
    return Ground(height=float(-plane[2] * np.cos(np.radians(tilt))), tilt=tilt, z=float(plane[2]))


def lowest_points(coords: np.ndarray, cell: float) -> np.ndarray:
    """Return a low point (M, 3) of each square cell seen from above: its fifth percentile, as single returns err."""
    cells = np.floor(coords[:, :2] / cell).astype(np.int64)
    order = np.lexsort((coords[:, 2], cells[:, 1], cells[:, 0]))
    changes = np.any(np.diff(cells[order], axis=0) != 0, axis=1)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1]) if len(order) else np.empty(0, int)
    sizes = np.diff(starts, append=len(order))
    return coords[order[starts + (sizes - 1) * GROUND_PERCENTILE // 100]]


def fit_plane(points: np.ndarray) -> np.ndarray:
    """Return (a, b, c) of the plane z = a x + b y + c that fits points (N, 3) best."""
    return np.linalg.lstsq(np.column_stack([points[:, :2], np.ones(len(points))]), points[:, 2], rcond=None)[0]


def tilt_of(plane: np.ndarray) -> float:
    """Return the angle between a plane's normal and z, in degrees."""
    return float(np.degrees(np.arctan(np.hypot(plane[0], plane[1]))))
