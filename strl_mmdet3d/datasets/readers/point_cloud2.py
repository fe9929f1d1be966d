"""The points of ROS's sensor_msgs/PointCloud2 messages."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import StrlError

# PointField's numbers of types.
TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 8: 'f8'}

# What drivers call the values that are kept, beside x, y and z.
INTENSITY = ('intensity', 'intensities', 'i', 'reflectivity', 'reflectance', 'signal')
RING = ('ring', 'line', 'laser_id', 'channel', 'laser_number')


class PointCloud2Error(StrlError, ValueError):
    """A message holds no points that can be read. The message says what it holds."""


def read_point_cloud2(message: Any) -> tuple[np.ndarray, list[str]]:
    """Return the points of a message.

    Of an organised one, a grid of the sensor's directions, those without a return are dropped, which have NaN as x, y
    and z: as rows they would look like damage.

    Args:
        message: A deserialised sensor_msgs/PointCloud2, of ROS 1 or 2.

    Returns:
        (N, C), x, y and z in metres, the intensity and the ring, as far as the message has them: float64 if x, y or z
        is, which may be coordinates of a map, else float32; and the names of these columns.

    Raises:
        PointCloud2Error: If the message has no x, y and z, or its data has another size than it states.
    """
    fields = {field.name: field for field in message.fields if field.datatype in TYPES}
    names = ['x', 'y', 'z']
    for kind in INTENSITY, RING:
        names += [next(name for name in kind if name in fields)] if any(name in fields for name in kind) else []
    if not {'x', 'y', 'z'} <= fields.keys():
        raise PointCloud2Error(f'it has no fields x, y and z, but {", ".join(fields) or "none"}')
    order = '>' if message.is_bigendian else '<'
    step, height, width = int(message.point_step), int(message.height), int(message.width)
    row_step = int(message.row_step) if height > 1 else width * step
    data = np.frombuffer(bytes(message.data), np.uint8)
    last = max(fields[name].offset + np.dtype(TYPES[fields[name].datatype]).itemsize for name in names)
    if last > step or row_step < width * step or len(data) < height * row_step:
        raise PointCloud2Error(
            f'its {len(data)} bytes do not hold {height} rows of {row_step} bytes with {width} points of {step} bytes'
        )
    dtype = np.dtype(
        {
            'names': names,
            'formats': [order + TYPES[fields[name].datatype] for name in names],
            'offsets': [fields[name].offset for name in names],
            'itemsize': step,
        }
    )
    rows = data[: height * row_step].reshape(height, row_step)[:, : width * step]
    points = np.ascontiguousarray(rows).reshape(-1).view(dtype) if height * width else np.zeros(0, dtype)
    precision = np.dtype(np.float64 if any(dtype[name].itemsize == 8 for name in names[:3]) else np.float32)
    records = np.stack([points[name].astype(precision) for name in names], axis=1)
    if height > 1:
        records = records[~np.isnan(records[:, :3]).all(axis=1)]
    columns = ['x', 'y', 'z', *('intensity' if name in INTENSITY else 'ring' for name in names[3:])]
    return records, columns
