"""Directions from which clouds are drawn in a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Projection:
    """A parallel projection.

    Attributes:
        axes: Unit vectors (3, 3): what is to the right in the picture, what is up, and what is towards the eye.
        labels: The names of the picture's axes; None if they are not axes of the points.
        where: From where the points are seen, for a title; '' if it need not be said.
    """

    axes: np.ndarray
    labels: tuple[str, str] | None
    where: str

    def apply(self, coords: np.ndarray) -> np.ndarray:
        """Return where points (N, 3) are in the picture: to the right, up and towards the eye."""
        return coords @ self.axes.T.astype(coords.dtype)


def _oblique(elevation: float, azimuth: float) -> np.ndarray:
    """Return the axes of a look from an elevation above the plane of x and y and an azimuth from x to y, in degrees."""
    up, round_z = np.radians([elevation, azimuth])
    eye = np.array([np.cos(up) * np.cos(round_z), np.cos(up) * np.sin(round_z), np.sin(up)])
    right = np.array([-np.sin(round_z), np.cos(round_z), 0.0])
    return np.stack([right, np.cross(eye, right), eye])


FROM_ABOVE = Projection(np.eye(3), ('x', 'y'), '')
FROM_THE_SIDE = Projection(np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), ('x', 'z'), ' from the side')
OBLIQUELY = Projection(_oblique(25, -60), None, '')
