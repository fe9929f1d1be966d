"""Simulated rooms with the class of each point, in the layout in which mmdet3d keeps the six areas of S3DIS."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from strl_mmdet3d.simulation.pieces import Piece, write_pieces
from strl_mmdet3d.simulation.rooms.room import PLANS, Room
from strl_mmdet3d.simulation.settings import Simulation

CLASSES = (
    'ceiling', 'floor', 'wall', 'beam', 'column', 'window', 'door', 'table', 'chair', 'sofa', 'bookcase', 'board',
    'clutter',
)  # fmt: skip
"""S3DIS's classes in mmdet3d's order. A label is the index in this tuple."""

AREAS = 6

OF_FURNITURE = {'table': 'table', 'desk': 'table', 'chair': 'chair', 'sofa': 'sofa', 'bookshelf': 'bookcase'}
"""A kind of furniture -> its class; all other kinds are clutter, as in S3DIS."""

BEHIND = 0.02  # metres: a wall nearer to a door or a window is behind it
SHELL = (('floor', 2), ('ceiling', 2), ('wall', 8), ('door', 2))
"""The first faces of a room, in triangles. Windows follow, which let most of the light through."""


@dataclass(frozen=True)
class S3DISSimulation(Simulation):
    """The settings of the simulated areas, and the writer of their data. The kinds of rooms take turns.

    Attributes:
        rooms: Rooms of each of the six areas.
        points: Points of a room.
    """

    AT_LEAST_1 = ('points',)
    UNIT = 'rooms'

    rooms: int = 4
    points: int = 40000

    @property
    def total(self) -> int:
        """Number of rooms."""
        return AREAS * self.rooms

    def write(self, root: Path, jobs: int = 1) -> Iterator[int]:
        """Write points, classes and instances of each room, and the index of each area."""
        kinds = list(PLANS)
        for folder in ('points', 'semantic_mask', 'instance_mask', 'seg_info'):
            (root / folder).mkdir()
        pieces = []
        for area in range(1, AREAS + 1):
            names = []
            for number in range(self.rooms):
                kind = kinds[(area + number) % len(kinds)]
                names.append(f'Area_{area}_{kind}_{number + 1}')
                pieces.append(Piece(draw_room, (root, names[-1], kind, self.points, self.seed_of(area, number))))
            write_area(root, area, names, self.points)
        yield from (size for size, _ in write_pieces(pieces, jobs))


def draw_room(root: Path, name: str, kind: str, points: int, seed: np.random.SeedSequence) -> None:
    """Draw a room of a kind and points of it, and write them; see :func:`write_room`."""
    rng = np.random.default_rng(seed)
    write_room(root, name, Room.sample(rng, kind), points, rng)


def labels_of(room: Room) -> np.ndarray:
    """Return the class of each face of a room, ``(F,)`` int64."""
    labels = np.full(len(room.owner), CLASSES.index('clutter'))
    first = 0
    for name, faces in SHELL:
        labels[first : first + faces] = CLASSES.index(name)
        first += faces
    labels[room.surface.opacity < 1] = CLASSES.index('window')
    of_piece = np.array([CLASSES.index(OF_FURNITURE.get(piece.kind, 'clutter')) for piece in room.furniture], dtype=int)
    owned = room.owner >= 0
    labels[owned] = of_piece[room.owner[owned]]
    return labels


def write_room(root: Path, name: str, room: Room, points: int, rng: np.random.Generator) -> None:
    """Draw points evenly from the surfaces of a room, and write them.

    ``points/NAME.bin`` holds ``(points, 6)`` float32: x, y, z in metres with the floor at z = 0, and red, green, blue
    from 0 to 255. ``semantic_mask/NAME.bin`` and ``instance_mask/NAME.bin`` hold ``(points,)`` int64; an instance is a
    piece of furniture, counted from 1, or 0 for all else.
    """
    xyz, face = sample_room(room, points, rng)
    colours = 255 * np.sqrt(room.surface.albedo[face])[:, None] * room.tint[face]
    (root / 'points' / f'{name}.bin').write_bytes(np.column_stack([xyz, colours]).astype(np.float32).tobytes())
    (root / 'semantic_mask' / f'{name}.bin').write_bytes(labels_of(room)[face].astype(np.int64).tobytes())
    (root / 'instance_mask' / f'{name}.bin').write_bytes((room.owner[face] + 1).astype(np.int64).tobytes())


def sample_room(room: Room, number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw points (number, 3) evenly from what a room shows, with the face (number,) of each.

    A wall goes on behind a door and a window, which hang 1 cm in front of it. Points there are drawn again.
    """
    mesh = trimesh.Trimesh(room.surface.vertices, room.surface.faces, process=False)
    labels = labels_of(room)
    # The walls are along the axes, so a door is the box around either of its triangles.
    hung = mesh.triangles[np.isin(labels, [CLASSES.index('door'), CLASSES.index('window')])]
    low, high = hung.min(axis=1) - BEHIND, hung.max(axis=1) + BEHIND
    xyz, face = np.empty((0, 3)), np.empty(0, np.int64)
    while len(xyz) < number:
        more, of = trimesh.sample.sample_surface(mesh, number - len(xyz), seed=rng)
        covered = ((more[:, None] > low) & (more[:, None] < high)).all(axis=2).any(axis=1)
        seen = ~covered | (labels[of] != CLASSES.index('wall'))
        xyz, face = np.concatenate([xyz, more[seen]]), np.concatenate([face, of[seen]])
    return xyz, face


def write_area(root: Path, area: int, names: list[str], points: int) -> None:
    """Write the info file of an area, and how often each of its rooms is drawn: once for 4096 points."""
    data_list: list[dict[str, Any]] = [
        {
            'lidar_points': {'num_pts_feats': 6, 'lidar_path': f'{name}.bin'},
            'pts_semantic_mask_path': f'{name}.bin',
            'pts_instance_mask_path': f'{name}.bin',
            'instances': [],
        }
        for name in names
    ]
    metainfo = {'categories': {name: label for label, name in enumerate(CLASSES)}, 'dataset': 's3dis'}
    content = {'metainfo': {**metainfo, 'info_version': '1.1'}, 'data_list': data_list}
    (root / f's3dis_infos_Area_{area}.pkl').write_bytes(pickle.dumps(content, protocol=4))
    drawn = np.arange(len(names)).repeat(max(1, points // 4096))
    np.save(root / 'seg_info' / f'Area_{area}_resampled_scene_idxs.npy', drawn)
