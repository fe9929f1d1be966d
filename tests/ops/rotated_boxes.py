"""Pairs of rotated boxes, random and degenerate, and the area that they share."""

import numpy as np
from shapely import polygons

CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2


def random_boxes(rng, num, spread):
    """(x, y, w, h, angle), float64 (N, 5)."""
    return np.column_stack(
        [rng.uniform(-spread, spread, (num, 2)), rng.uniform(0.3, 6, (num, 2)), rng.uniform(-7, 7, num)]
    )


def as_polygons(boxes):
    x, y, w, h, angle = boxes.T[..., None]
    u, v = w * CORNERS[:, 0], h * CORNERS[:, 1]
    cos, sin = np.cos(angle), np.sin(angle)
    return polygons(np.stack([x + cos * u - sin * v, y + sin * u + cos * v], axis=-1))


def shares(first, second, shared):
    """IoU and intersection over the first box, each (N,)."""
    areas = first[:, 2] * first[:, 3], second[:, 2] * second[:, 3]
    return shared / (areas[0] + areas[1] - shared), shared / areas[0]


# The second box of a pair in the axes of a first of size 1: center, size, turn, and the part of the first it shares.
DEGENERATE = {
    'the same box': (0, 0, 1, 1, 0, 1),
    'turned by pi': (0, 0, 1, 1, np.pi, 1),
    'turned by -2 pi': (0, 0, 1, 1, -2 * np.pi, 1),
    'half of it': (0.25, 0, 0.5, 1, 0, 1 / 2),
    'half of it, turned by pi': (-0.25, 0, 0.5, 1, np.pi, 1 / 2),
    'a quarter of it, at a corner': (0.25, -0.25, 0.5, 0.5, np.pi, 1 / 4),
    'in it, with a common center': (0, 0, 0.5, 0.25, 0, 1 / 8),
    'across it, between common edges': (0, 0, 2, 0.5, 0, 1 / 2),
    'shifted along an edge': (0.5, 0, 1, 1, 0, 1 / 2),
    'shifted, a corner at its center': (0.5, 0.5, 1, 1, np.pi, 1 / 4),
    'touching along an edge': (1, 0, 1, 1, 0, 0),
    'touching along an edge, turned by pi': (0, -1, 1, 1, np.pi, 0),
    'touching along half an edge': (0.75, 0, 0.5, 0.5, 0, 0),
    'touching at a corner': (1, 1, 1, 1, 0, 0),
}


def degenerate_pairs(rng, num):
    """Both boxes, (N, 5) each, and the area that they share, (N,)."""
    u, v, w, h, turn, part = np.array(list(DEGENERATE.values()))[np.arange(num) % len(DEGENERATE)].T
    first = random_boxes(rng, num, 50)
    first[::3, 4] = rng.choice([0, np.pi / 6, np.pi / 2], len(first[::3]))
    x, y, width, height, angle = first.T
    u, v = u * width, v * height
    cos, sin = np.cos(angle), np.sin(angle)
    second = np.column_stack([x + cos * u - sin * v, y + sin * u + cos * v, w * width, h * height, angle + turn])
    return first, second, part * width * height
