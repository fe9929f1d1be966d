"""Simulated single objects: points on their surfaces, with the class of each, in one archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import trimesh

from strl_mmdet3d.simulation.object_shapes import BUILDERS
from strl_mmdet3d.simulation.settings import Simulation
from strl_mmdet3d.simulation.surface import Surface

ARCHIVE = 'shapes.npz'

_INSIDE = 1 - 2**-10
"""Radius that keeps points in the unit sphere when they are rounded to float16."""


@dataclass(frozen=True)
class ShapesSimulation(Simulation):
    """The settings of the simulated single objects, and the writer of their archive.

    Attributes:
        train: Training shapes of each class.
        test: Test shapes of each class.
        points: Points per shape.
    """

    AT_LEAST_1 = ('points',)
    SPLITS = ('train', 'test')
    UNIT = 'shapes'

    train: int = 30
    test: int = 10
    points: int = 2048

    @property
    def total(self) -> int:
        """Number of shapes."""
        return len(BUILDERS) * (self.train + self.test)

    def write(self, root: Path) -> Iterator[None]:
        """Write ``root/shapes.npz``: ``points``, ``label``, ``classes`` and ``split``."""
        shapes, labels, splits = [], [], []
        for stream, split in enumerate(self.SPLITS):
            for label, build in enumerate(BUILDERS.values()):
                for number in range(getattr(self, split)):
                    rng = np.random.default_rng(self.seed_of(stream, label, number))
                    shapes.append(sample_points(stretched(build(rng), rng), self.points, rng))
                    labels.append(label)
                    splits.append(split)
                    yield
        np.savez(
            root / ARCHIVE,
            points=np.stack(shapes),
            label=np.array(labels, dtype=np.int16),
            classes=np.array(list(BUILDERS)),
            split=np.array(splits),
        )


def stretched(surface: Surface, rng: np.random.Generator) -> Surface:
    """Return the surface with each axis stretched or shortened by up to a fifth."""
    return replace(surface, vertices=surface.vertices * rng.uniform(0.8, 1.2, 3))


def sample_points(surface: Surface, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw points evenly from a surface (metres, z up), and scale them to the unit sphere.

    They are ``(count, 3)`` float16, with the mean at the origin and the farthest point nearly at 1.
    """
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    points, _ = trimesh.sample.sample_surface(mesh, count, seed=rng)
    points = points - points.mean(0)
    return (points * (_INSIDE / np.linalg.norm(points, axis=1).max())).astype(np.float16)
