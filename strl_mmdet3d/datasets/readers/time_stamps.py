"""Time stamps as data sets write them: seconds, milliseconds, microseconds or nanoseconds."""

from __future__ import annotations

import numpy as np

# A time of this century since 1970 in seconds is between 1e9 and 4e9; a thousand times that in milliseconds, and so on.
# Times since the start of a recording are in seconds.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


def seconds_per_unit(stamps: np.ndarray) -> float:
    """Return the unit of time stamps (N,) in seconds, by their size: 1, 1e-3, 1e-6 or 1e-9."""
    largest = float(np.nanmax(np.abs(stamps), initial=0))
    return next((1 / units for limit, units in _UNITS if largest > limit), 1.0)


def in_seconds(stamps: list[int] | list[float] | np.ndarray) -> np.ndarray:
    """Return time stamps (N,) in seconds, float64. The unit is known by their size.

    Args:
        stamps: Numbers; whole ones may have any number of digits.
    """
    values = np.array([float(stamp) for stamp in stamps], dtype=np.float64)
    return values * seconds_per_unit(values)
