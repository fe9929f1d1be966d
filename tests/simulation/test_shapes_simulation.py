"""The archive of simulated objects. Its classes can be told apart."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import trimesh
from sklearn.svm import SVC

from strl_mmdet3d.datasets.sources import ShapeLister, shape_sequences
from strl_mmdet3d.simulation import ShapesSimulation
from strl_mmdet3d.simulation.object_shapes import BUILDERS
from strl_mmdet3d.simulation.shapes import sample_points
from strl_mmdet3d.simulation.surface import cuboid, lathe

SMALL = dict(train=2, test=1, points=64)


def write(root, **settings):
    root.mkdir()
    simulation = ShapesSimulation(**settings)
    assert sum(simulation.write(root, jobs=2)) == simulation.total
    return root / 'shapes.npz'


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_layout(tmp_path):
    with np.load(write(tmp_path / 'a', seed=0, **SMALL)) as archive:
        assert set(archive) == {'points', 'label', 'classes', 'split'}
        assert archive['classes'].tolist() == list(BUILDERS)
        points, label, split = archive['points'], archive['label'], archive['split']
    assert (points.shape, points.dtype) == ((36, 64, 3), np.float16)
    assert split.tolist() == ['train'] * 24 + ['test'] * 12
    assert label.tolist() == [*np.repeat(range(12), 2), *range(12)]
    norms = np.linalg.norm(points.astype(float), axis=2)
    assert norms.max() <= 1
    assert (norms.max(1) > 0.99).all()
    np.testing.assert_allclose(points.astype(float).mean(1), 0, atol=1e-3)
    assert len(np.unique(points.reshape(36, -1), axis=0)) == 36


def test_same_seed_same_bytes_and_another_seed_others(tmp_path):
    first, again, other = (
        write(tmp_path / name, seed=seed, **SMALL) for name, seed in zip('abc', (5, 5, 6), strict=True)
    )
    assert digest(first) == digest(again) != digest(other)


def test_more_shapes_leave_the_others_as_they_are(tmp_path):
    few, more = (
        np.load(write(tmp_path / name, seed=0, **{**SMALL, 'train': train}))['points']
        for name, train in (('few', 2), ('more', 3))
    )
    np.testing.assert_array_equal(more[:36].reshape(12, 3, 64, 3)[:, :2], few[:24].reshape(12, 2, 64, 3))
    np.testing.assert_array_equal(more[36:], few[24:])


def test_the_index_has_the_labels(tmp_path):
    write(tmp_path / 'a', seed=0, **SMALL)
    lister = ShapeLister('test')
    sequences = list(shape_sequences(tmp_path / 'a', lister))
    assert [sequence.label for sequence in sequences] == list(range(12))
    assert lister.classes == list(BUILDERS)


def test_points_are_spread_by_area():
    """A box of 1 x 1 x 3 has an area of 14. Its two small faces have 2 of it."""
    points = sample_points(cuboid([0, 0, 0], [1, 1, 3], 0.5), 20000, np.random.default_rng(0)).astype(float)
    low, high = points[:, 2].min(), points[:, 2].max()
    at_an_end = (points[:, 2] < low + 0.002) | (points[:, 2] > high - 0.002)
    assert np.mean(at_an_end) == pytest.approx(2 / 14, abs=0.01)


def test_a_lathe_turns_a_line_about_the_axis():
    surface = lathe([(0, 0), (2, 0), (2, 3), (0, 3)], 0.5)
    mesh = trimesh.Trimesh(surface.vertices, surface.faces)
    sides = 24
    base = 0.5 * sides * 2**2 * np.sin(2 * np.pi / sides)
    mantle = sides * 2 * 2 * np.sin(np.pi / sides) * 3
    assert mesh.area == pytest.approx(2 * base + mantle)
    np.testing.assert_allclose(surface.bounds, [[-2, -2, 0], [2, 2, 3]])


def test_classes_can_be_told_apart_but_not_at_a_glance(tmp_path):
    """A coarse occupancy grid classifies most shapes correctly; the extents alone miss many."""
    with np.load(write(tmp_path / 'a', seed=1, train=12, test=8, points=512)) as archive:
        points, label, train = archive['points'].astype(float), archive['label'], archive['split'] == 'train'

    def accuracy(features):
        features = (features - features[train].mean(0)) / (features[train].std(0) + 1e-6)
        return SVC(kernel='linear').fit(features[train], label[train]).score(features[~train], label[~train])

    grid = np.stack([np.histogramdd(shape, bins=6, range=[(-1, 1)] * 3)[0].ravel() for shape in points])
    assert accuracy(grid) > 0.75
    assert 0.3 < accuracy(np.ptp(points, axis=1)) < 0.8


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'points': 0}, 'points must be at least 1'),
        ({'points': 1}, 'points must be at least 2'),
        ({'test': 0}, 'train and test must be all 0 or all at least 1'),
        ({'train': 0, 'test': 0}, 'nothing to simulate: train and test are all 0'),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ShapesSimulation(seed=0, **settings)
