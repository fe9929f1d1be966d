"""Finding how many float32 values a point has in a file that does not say so.

The columns of a scan differ: x runs over tens of metres, z over a few, an intensity is never negative, a ring number is
an integer. So the values of a file repeat their pattern after each point. For each width, this module asks how much of
the values' variance the place in a point explains. Only the right width and its multiples explain all there is: with a
wrong one, a column is a mixture. The order of the points does not matter, nor whether some were left out.
"""

from __future__ import annotations

import numpy as np

MIN_WIDTH = 3  # x, y, z
MAX_WIDTH = 24  # multiples of the width are tried as well; no published scan has more than 11 values per point
MAX_SAMPLE = 12_000  # values looked at; the shares are then known to about 0.01
# Real scans reach a sum of shares of 1.9 (KITTI) to 5.4 (Waymo) at their width, and at most 0.45 of that at another.
MIN_SHARES = 0.15
SAFETY = 15  # standard deviations of a share by chance, for the sum of the seven traits, which are not independent
DOUBTFUL_SHARES = 0.5  # of the largest sum, at a width that divides the one found
SAME_SHARES = 0.7  # of the largest sum: the smallest width that reaches this is the width, larger ones are multiples


def find_width(values: np.ndarray) -> int | None:
    """Return the number of values per point, or None if the values have no pattern that tells it.

    Args:
        values: Float32 (S,), the values of a file from its beginning.
    """
    shares, by_chance = _shares_of_widths(values)
    if not len(shares):
        return None
    certain = shares - by_chance
    best = int(np.argmax(certain))
    if certain[best] < MIN_SHARES:
        return None
    width = MIN_WIDTH + int(np.flatnonzero(shares >= SAME_SHARES * shares[best])[0])
    parts = [part for part in range(MIN_WIDTH, width) if width % part == 0]
    if any(shares[part - MIN_WIDTH] > DOUBTFUL_SHARES * shares[best] for part in parts):
        return None  # few points, many of them broken: the width, or a part of it?
    return width if 2 * width <= MAX_WIDTH else None


def width_in_place_of(values: np.ndarray, load_dim: int) -> int | None:
    """Return the width that fits, if it is another one than ``load_dim`` and the values leave no doubt; else None.

    Args:
        values: Float32 (S,), the values of a file from its beginning.
        load_dim: The width that is in doubt.
    """
    width = find_width(values)
    return None if width == load_dim else width


def _shares_of_widths(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute how well each width explains the values.

    Returns:
        For each width from `MIN_WIDTH`, the sum over the traits of the share of variance that the place in a point
        explains (adjusted for the number of places, so 0 on average for values without a pattern), and how far chance
        could raise that sum. Empty if there are too few values.
    """
    places = np.arange(len(values))
    if len(values) > MAX_SAMPLE:
        places = np.sort(np.random.default_rng(0).choice(len(values), MAX_SAMPLE, replace=False))
    number = len(places)
    widths = np.arange(MIN_WIDTH, min(MAX_WIDTH, number // 4) + 1)
    if not len(widths):
        return np.empty(0), np.empty(0)
    traits = _traits(values[places])
    traits -= traits.mean(axis=1, keepdims=True)
    variances = (traits**2).sum(axis=1)
    traits = traits[variances > 1e-9 * number]
    variances = variances[variances > 1e-9 * number]
    shares = np.zeros(len(widths))
    for i, width in enumerate(widths):
        column = places % width
        counts = np.bincount(column, minlength=width).clip(1)
        sums = np.array([np.bincount(column, trait, minlength=width) for trait in traits]).reshape(-1, width)
        explained = (sums**2 / counts).sum(axis=1) / variances
        shares[i] = (1 - (1 - explained) * (number - 1) / (number - width)).sum()
    return shares, SAFETY * np.sqrt(2 * widths) / (number - widths)


def _traits(values: np.ndarray) -> np.ndarray:
    """Describe values (S,) by traits (7, S) in which the columns of a scan differ, each bounded."""
    is_finite = np.isfinite(values)
    values = np.where(is_finite, values, 0).astype(np.float64)
    size = np.abs(values)
    return np.array(
        [
            np.clip(np.arcsinh(values), -8, 8),
            np.clip(np.log2(np.maximum(size, 1e-30)), -8, 16),
            values == np.rint(values),
            (values >= 0) & (values <= 1),
            values < 0,
            values == 0,
            (size > 1e6) | ~is_finite,
        ],
        np.float64,
    )
