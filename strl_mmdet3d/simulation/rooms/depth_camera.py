"""A structured-light depth camera, modelled on the Kinect and ScanNet's Structure sensor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.simulation.ray_casting import RayCaster
from strl_mmdet3d.simulation.surface import Surface

_PATCHES = (120, 160)
"""Patches in height and width. The sensor matches its pattern patch by patch, so it loses returns patch by patch."""


@dataclass(frozen=True)
class DepthImage:
    """One picture.

    Attributes:
        depth: ``(H, W)`` uint16 millimetres along the optical axis, 0 where nothing was measured.
        face: ``(H, W)`` int64, the face of the surface that each pixel shows, measured or not; -1 for none.
        true_depth: ``(H, W)`` float64 metres without noise, ``inf`` without a face.
        cos_incidence: ``(H, W)`` float64 in [0, 1], |cosine| between the line of sight and the face's normal.
    """

    depth: np.ndarray
    face: np.ndarray
    true_depth: np.ndarray
    cos_incidence: np.ndarray


@dataclass(frozen=True)
class DepthCamera:
    """A pinhole camera with x to the right, y down and z forward, without distortion.

    Attributes:
        width: Pixels in a row, a multiple of 4 because the picture is 4:3. Smaller pictures show the same view.
        min_depth, max_depth: Range of the measured depth in metres. The sensors start at 0.4 m, and ScanNet's frames
            rarely hold depths beyond 6 m.
        baseline: Metres from the camera to the projector on its right (Kinect). Nothing is measured in the projector's
            shadow.
        disparity_step: Resolution of the inverse depth in 1/m. The steps of the depth are this times the depth squared:
            26 mm at 3 m (measured on 7-Scenes, and equal to an eighth of a pixel of disparity).
        half_signal: The signal ``albedo * cos(incidence) / depth**2`` at which half of the patches return nothing. The
            default loses hardly anything on a wall, and leaves holes on surfaces that are seen at a grazing angle or
            are dark and far.
        noise: Multiple of the Kinect's noise. With 0 every measured depth is exact.
    """

    width: int = 640
    min_depth: float = 0.4
    max_depth: float = 6.0
    baseline: float = 0.075
    disparity_step: float = 2.85e-3
    half_signal: float = 6e-3
    noise: float = 1.0

    def __post_init__(self) -> None:
        if self.width < 4 or self.width % 4:
            raise ConfigError(f'width must be a positive multiple of 4, got {self.width}')

    @property
    def height(self) -> int:
        """Pixels in a column."""
        return self.width * 3 // 4

    @property
    def intrinsics(self) -> np.ndarray:
        """``(3, 3)`` float64, camera coordinates to pixels: ScanNet's 577.87 at 640 pixels, centred."""
        focal = 577.87 * self.width / 640
        return np.array([[focal, 0, (self.width - 1) / 2], [0, focal, (self.height - 1) / 2], [0, 0, 1.0]])

    @cached_property
    def rays(self) -> np.ndarray:
        """``(H * W, 3)`` float64, the pixels' lines of sight row by row, in the camera's frame and with z = 1."""
        focal, centre = self.intrinsics[0, 0], self.intrinsics[:2, 2]
        x, y = np.meshgrid((np.arange(self.width) - centre[0]) / focal, (np.arange(self.height) - centre[1]) / focal)
        return np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)

    def look(self, caster: RayCaster, surface: Surface, pose: np.ndarray, rng: np.random.Generator) -> DepthImage:
        """Take a picture of ``surface``, at which ``caster`` casts rays, from a ``(4, 4)`` pose, camera to world."""
        shape = (self.height, self.width)
        rays = self.rays @ pose[:3, :3].T
        length = np.linalg.norm(rays, axis=1)
        hits = caster.first_hits(pose[:3, 3], rays / length[:, None])
        true = (hits.distance / length).reshape(shape)
        face, cosine = hits.face.reshape(shape), hits.cos_incidence.reshape(shape)

        # Every picture draws the same amount of noise, independent of what it shows.
        chance = rng.uniform(size=_PATCHES)
        noise = rng.normal(size=shape)
        seen = (face >= 0) & (true > self.min_depth) & (true < self.max_depth)
        depth = np.where(seen, true, 1.0)
        seen &= ~self._in_shadow(np.where(face >= 0, true, np.inf))
        signal = surface.albedo[face] * cosine / depth**2
        rows, columns = (np.arange(n) * patches // n for n, patches in zip(shape, _PATCHES, strict=True))
        seen &= chance[np.ix_(rows, columns)] < surface.opacity[face] * (1 - 0.5 ** (signal / self.half_signal))

        # The Kinect's axial noise (Nguyen, Izadi and Lovell, 3DIMPVT 2012), then the steps of its disparity.
        if self.noise:
            noisy = depth + self.noise * (0.0012 + 0.0019 * (depth - 0.4) ** 2) * noise
            depth = 1 / (self.disparity_step * np.maximum(1.0, np.round(1 / (self.disparity_step * noisy))))
        millimetres = np.where(seen, np.round(1000 * depth), 0).astype(np.uint16)
        return DepthImage(millimetres, face, true, cosine)

    def _in_shadow(self, depth: np.ndarray) -> np.ndarray:
        """Return ``(H, W)`` bool: whether something further right in ``depth`` hides a pixel from the projector."""
        column = np.arange(self.width) - self.intrinsics[0, 0] * self.baseline / depth
        # Seen from the projector, columns grow from left to right, except where a nearer surface comes in between.
        nearest_right = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
        return column > nearest_right + 0.5

    def back_project(self, depth: np.ndarray) -> np.ndarray:
        """Return ``(H, W, 3)`` float64 points in the camera's frame from ``(H, W)`` metres of depth."""
        return self.rays.reshape(self.height, self.width, 3) * depth[..., None]
