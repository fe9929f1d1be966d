"""The names of a scan's columns: one spelling for what the formats call differently, and a look at unnamed ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

AXES = ('x', 'y', 'z')
# How PCD files of PCL, ROS drivers and simulators, PLY files of CloudCompare and MeshLab, and LAS files name a column.
OTHER_NAMES = {
    'intensity': ('i', 'intensities', 'reflectance', 'reflectivity', 'remission', 'scalar_intensity'),
    'ring': ('laser_id', 'laser_number', 'laser_ring', 'line', 'beam', 'channel', 'scalar_ring'),
    'time': ('t', 'timestamp', 'time_stamp', 'time_offset', 'offset_time', 'timeoffset', 'gps_time', 'gpstime'),
    'red': ('r', 'diffuse_red'),
    'green': ('g', 'diffuse_green'),
    'blue': ('b', 'diffuse_blue'),
}
SPELLINGS = {other: name for name, others in OTHER_NAMES.items() for other in others}
COLOURS = ('red', 'green', 'blue')
MAX_RINGS = 256
MANY_RINGS = 4  # fewer integers that count could be anything, such as the number of a return
FEW_TIMES = 20  # a file of several sweeps holds one time lag per sweep; published configs join ten
MAX_LAG = 2.0  # seconds, of a point before or after its frame
LONG_AGO = 1e8  # seconds; a column of larger numbers holds times since 1970, in whatever unit


def canonical_names(names: Sequence[str]) -> list[str]:
    """Return names in lower case and in one spelling. If a file has two spellings of a name, the first is changed."""
    canonical: list[str] = []
    lowered = [name.strip().lower() for name in names]
    for lower in lowered:
        known = SPELLINGS.get(lower, lower)
        canonical.append(known if known not in canonical and known not in lowered else lower)
    return canonical


def name_columns(records: np.ndarray) -> tuple[str, ...]:
    """Name the columns of a scan without names, as far as the values tell.

    Args:
        records: Float32 (N, C), N > 0 returns, C >= 3; the first three columns are x, y and z.

    Returns:
        The names: 'x', 'y', 'z', 'intensity', 'ring', 'time', 'red', 'green' and 'blue' at most once each, and
        'column 4' for one that is not known, counted from 0.
    """
    names = [f'column {column}' for column in range(records.shape[1])]
    names[:3] = AXES
    columns = {column: records[:, column] for column in range(3, records.shape[1])}
    columns = {column: values[np.isfinite(values)] for column, values in columns.items()}
    if len(columns) >= 3 and _are_colours(records[:, 3:6]):
        names[3:6] = COLOURS
        columns = {column: values for column, values in columns.items() if column > 5}
    for column, values in columns.items():
        if not len(values):
            continue
        if 'ring' not in names and _counts_rings(values):
            names[column] = 'ring'
        elif 'time' not in names and _is_time(values):
            names[column] = 'time'
        elif column == 3 and values.min() >= 0:
            names[column] = 'intensity'
    return tuple(names)


def _counts_rings(values: np.ndarray) -> bool:
    """Return whether a column holds the numbers of a sensor's rings: each from 0 or 1 to the last, each on many points.

    Intensities may be integers from 0 to 255, too, but hardly any point has one of the largest.
    """
    if values.min() < 0 or values.max() >= MAX_RINGS or (values != np.rint(values)).any():
        return False
    counts = np.bincount(values.astype(np.int64))
    counts = counts[int(counts[0] == 0) :]
    return len(counts) >= MANY_RINGS and bool(np.median(counts) > 0.3 * counts.mean()) and (counts > 0).mean() > 0.9


def _is_time(values: np.ndarray) -> bool:
    """Return whether a column holds times: since 1970, one lag for each of a few sweeps, or rising along the scan."""
    if values.min() > LONG_AGO:
        return True
    if np.abs(values).max() > MAX_LAG or not values.any() or values.min() == values.max():
        return False
    few = len(np.unique(values[:10_000])) <= FEW_TIMES and bool((values != np.rint(values)).any())
    rising = len(values) > FEW_TIMES and bool((np.diff(values) >= 0).mean() > 0.999)
    return (few and bool((np.diff(values) == 0).mean() > 0.9)) or rising


def _are_colours(values: np.ndarray) -> bool:
    """Return whether three columns (N, 3) are red, green and blue: of one range, and bright or dark together."""
    if len(values) < FEW_TIMES or not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
        return False
    if (values.std(axis=0) == 0).any() or (values.max() > 1 and (values != np.rint(values)).any()):
        return False
    return bool(np.corrcoef(values.T.astype(np.float64)).min() > 0.5)
