"""How many decimal places a detection metric is shown with."""

from __future__ import annotations

from collections.abc import Iterable


def decimal_places(metric: str, values: Iterable[float]) -> int:
    """Return 1 for per cent, as KITTI's metric is given, and 3 for numbers up to 1, as mAP indoors.

    Args:
        metric: The metric's name.
        values: All numbers of it that are shown.
    """
    sizes = [abs(value) for value in values]
    return 3 if sizes and max(sizes) <= 1 and 'KITTI' not in metric else 1
