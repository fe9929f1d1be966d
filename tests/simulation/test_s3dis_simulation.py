"""Simulated areas: each class lies where it should, and mmdet3d's own data set reads them."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from scipy.spatial import cKDTree

from strl_mmdet3d.simulation import S3DISSimulation
from strl_mmdet3d.simulation.rooms.room import PLANS, Room
from strl_mmdet3d.simulation.s3dis import CLASSES, labels_of, sample_room


@pytest.fixture(scope='module')
def areas(tmp_path_factory):
    """Two rooms of each area."""
    root = tmp_path_factory.mktemp('s3dis')
    simulation = S3DISSimulation(seed=0, rooms=2, points=3000)
    assert sum(simulation.write(root, jobs=2)) == simulation.total == 12
    return root


@pytest.mark.parametrize('kind', list(PLANS))
def test_classes_are_where_they_belong(kind):
    room = Room.sample(np.random.default_rng(1), kind)
    labels, corners = labels_of(room), room.surface.vertices[room.surface.faces]

    def of(name):
        return corners[labels == CLASSES.index(name)]

    length, breadth, height = room.size
    assert np.allclose(of('floor')[..., 2], 0)
    assert np.allclose(of('ceiling')[..., 2], height)
    for name in ('floor', 'ceiling'):
        assert np.allclose([of(name)[..., :2].min(), of(name)[..., 0].max()], [0, length])
    wall = of('wall')
    assert len(wall) == 8
    on_wall = np.isclose(wall[..., 0], 0) | np.isclose(wall[..., 0], length)
    assert np.all(on_wall | np.isclose(wall[..., 1], 0) | np.isclose(wall[..., 1], breadth))
    assert np.allclose(of('door')[..., 2].max(), 2.02)
    assert len(of('window')) in (2, 4)
    assert of('window')[..., 2].min() >= 0.8
    for index, piece in enumerate(room.furniture):
        name = {'desk': 'table', 'bookshelf': 'bookcase'}.get(piece.kind, piece.kind)
        expected = CLASSES.index(name if name in CLASSES else 'clutter')
        assert set(labels[room.owner == index]) == {expected}
    assert not set(labels) & {CLASSES.index('beam'), CLASSES.index('column'), CLASSES.index('board')}


@pytest.mark.parametrize('kind', list(PLANS))
def test_no_point_is_on_the_wall_behind_a_door_or_a_window(kind):
    rng = np.random.default_rng(2)
    room = Room.sample(rng, kind)
    xyz, face = sample_room(room, 20_000, rng)
    assert xyz.shape == (20_000, 3)
    assert face.shape == (20_000,)
    labels = labels_of(room)
    wall = xyz[labels[face] == CLASSES.index('wall')]
    for name in ('door', 'window'):
        hung = xyz[labels[face] == CLASSES.index(name)]
        assert len(hung) > 100
        # Points on a door are some 2 cm from each other, so one behind it is near one of them.
        assert cKDTree(wall).query(hung)[0].min() > 0.0099
        inner = hung[(cKDTree(hung).query(hung, k=12)[0][:, -1] < 0.2)]
        assert np.median(cKDTree(wall).query(inner)[0]) > 0.05


def test_mmdet3d_reads_them(areas, monkeypatch):
    monkeypatch.setenv('S3DIS_ROOT', str(areas))
    monkeypatch.setenv('S3DIS_TRAIN_AREA', '3')
    config = Config.fromfile('configs/downstream/dgcnn_s3dis_scratch.py')
    train = DATASETS.build(config.train_dataloader.dataset)
    assert len(train) == 2
    item = train[0]
    points, labels = item['inputs']['points'], item['data_samples'].gt_pts_seg.pts_semantic_mask
    assert points.shape == (4096, 3)
    assert set(labels.tolist()) <= set(range(13))
    assert len(set(labels.tolist())) > 2
    test = DATASETS.build(config.test_dataloader.dataset)
    assert len(test) == 2
    assert len(test[0]['inputs']['points']) == 3000


def test_the_same_seed_gives_the_same_bytes(areas, tmp_path):
    list(S3DISSimulation(seed=0, rooms=1, points=3000).write(tmp_path))
    for path in tmp_path.glob('*/Area_*.bin'):
        assert path.read_bytes() == (areas / path.relative_to(tmp_path)).read_bytes()
    with pytest.raises(ValueError, match='points must be at least 1'):
        S3DISSimulation(seed=0, points=0)
