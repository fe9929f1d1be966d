"""Features without learning. An encoder must beat them to be useful."""

from __future__ import annotations

import numpy as np

D2_BINS = 64
D2_PAIRS = 4096  # random pairs of points per cloud, about 60 per bin
OCCUPANCY_CELLS = 6  # along each axis


def handcrafted_features(clouds: np.ndarray, seed: int) -> np.ndarray:
    """Describe clouds by a D2 histogram, the sizes along their principal axes, and a coarse occupancy grid.

    Args:
        clouds: Float (N, P, 3 or more), P >= 2, in any unit; each is first scaled into the unit sphere around its mean.
        seed: Determines the pairs of points.

    Returns:
        Float32 (N, 64 + 3 + 216): `d2_histogram`, `principal_sizes` and `occupancy`, side by side.
    """
    rng = np.random.default_rng(seed)
    in_sphere = (_into_unit_sphere(cloud[:, :3].astype(np.float64)) for cloud in clouds)
    return np.stack(
        [np.concatenate([d2_histogram(cloud, rng), principal_sizes(cloud), occupancy(cloud)]) for cloud in in_sphere]
    ).astype(np.float32)


def d2_histogram(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the shape distribution D2 of points (P, 3) in the unit sphere: how far two random points are apart.

    Returns:
        (64,), shares of the pairs in equal bins of [0, 2]; they sum to 1.
    """
    first, second = rng.integers(len(points), size=(2, D2_PAIRS))
    distances = np.linalg.norm(points[first] - points[second], axis=1)
    # Rounding may exceed 2, the diameter of the unit sphere.
    counts, _ = np.histogram(distances.clip(max=2), bins=D2_BINS, range=(0, 2))
    return counts / D2_PAIRS


def principal_sizes(points: np.ndarray) -> np.ndarray:
    """Return the standard deviations (3,) of points (P, 3) along their principal axes, the largest first."""
    variances = np.linalg.eigvalsh(np.cov(points.T, bias=True))
    return np.sqrt(variances.clip(min=0))[::-1]


def occupancy(points: np.ndarray) -> np.ndarray:
    """Return (216,) which of 6 x 6 x 6 cells of the cube [-1, 1]^3 hold one of the points (P, 3); z varies fastest."""
    cells = ((points + 1) / 2 * OCCUPANCY_CELLS).astype(int).clip(0, OCCUPANCY_CELLS - 1)
    grid = np.zeros((OCCUPANCY_CELLS,) * 3)
    grid[tuple(cells.T)] = 1
    return grid.ravel()


def _into_unit_sphere(points: np.ndarray) -> np.ndarray:
    """Move the mean of points (P, 3) to the origin, and scale the farthest to 1; equal points all become 0."""
    points = points - points.mean(axis=0)
    farthest = np.linalg.norm(points, axis=1).max()
    return points / farthest if farthest > 0 else points
