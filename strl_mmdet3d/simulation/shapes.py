"""Simulated single objects: points on their surfaces, with the class of each, in one archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import trimesh

from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.simulation.object_shapes import BUILDERS
from strl_mmdet3d.simulation.pieces import Piece, write_pieces
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.points < 2:
            raise ConfigError(f'points must be at least 2, got {self.points}: one point has no size to be scaled by')

    @property
    def total(self) -> int:
        """Number of shapes."""
        return len(BUILDERS) * (self.train + self.test)

    def write(self, root: Path, jobs: int = 1) -> Iterator[int]:
        """Write ``root/shapes.npz``: ``points``, ``label``, ``classes`` and ``split``."""
        pieces, labels, splits = [], [], []
        for stream, split in enumerate(self.SPLITS):
            number = getattr(self, split)
            for label in range(len(BUILDERS)):
                seeds = [self.seed_of(stream, label, one) for one in range(number)]
                pieces.append(Piece(draw_shapes, (label, self.points, seeds), number))
                labels += [label] * number
                splits += [split] * number
        shapes: list[np.ndarray] = []
        for size, drawn in write_pieces(pieces, jobs):
            shapes += drawn
            yield size
        np.savez(
            root / ARCHIVE,
            points=np.stack(shapes),
            label=np.array(labels, dtype=np.int16),
            classes=np.array(list(BUILDERS)),
            split=np.array(splits),
        )


def draw_shapes(label: int, points: int, seeds: Sequence[np.random.SeedSequence]) -> list[np.ndarray]:
    """Draw shapes of a class, one for each seed, and points of each; see :func:`sample_points`."""
    build = list(BUILDERS.values())[label]
    drawn = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        drawn.append(sample_points(stretched(build(rng), rng), points, rng))
    return drawn


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
