"""Views of the recipe have the distribution of the paper's augmentation, applied step by step in the paper's order."""

import numpy as np
import pytest
from mmcv.transforms import Compose
from mmdet3d.structures import LiDARPoints
from mmengine.config import Config
from scipy import stats
from test_recipes import RECIPES

from strl_mmdet3d.datasets.transforms import RandomCropPoints

NUM_VIEWS, MIN_POINTS = 600, 1024
CLOUD = np.column_stack(
    [np.random.default_rng(0).normal(0, [3, 1, 0.5], (4000, 3)), np.arange(4000)],
).astype(np.float32)


def plain_view(rng: np.random.Generator, num_points: int) -> np.ndarray:
    """The augmentation as the paper describes it: every step on every point, and jitter before drop-out."""
    cloud = CLOUD.astype(np.float64)
    if rng.random() < 0.5:
        x, y, z = rng.uniform(-np.radians(15), np.radians(15), 3)
        about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
        about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
        about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
        cloud[:, :3] = cloud[:, :3] @ (about_z @ about_y @ about_x).T
    if rng.random() < 0.5:
        cloud[:, :3] += rng.uniform(-0.1, 0.1, 3) * np.ptp(cloud[:, :3], axis=0)
    if rng.random() < 0.5:
        cloud[:, :3] *= rng.uniform(0.8, 1.25)
    for draw_sides, keeps_inside in (
        (lambda: RandomCropPoints().draw_sides(), True),
        (lambda: rng.uniform(0.1, 0.4, 3), False),
    ):
        if rng.random() < 0.5:
            for _ in range(10):
                sides, lower, extent = draw_sides(), cloud[:, :3].min(axis=0), np.ptp(cloud[:, :3], axis=0)
                corner = lower + rng.uniform(size=3) * (1 - sides) * extent
                inside = ((cloud[:, :3] >= corner) & (cloud[:, :3] <= corner + sides * extent)).all(axis=1)
                if (inside == keeps_inside).sum() >= MIN_POINTS:
                    cloud = cloud[inside == keeps_inside]
                    break
    cloud[:, :3] += rng.uniform(0, 0.05, (len(cloud), 3))
    cloud = cloud[rng.permutation(len(cloud))[int(rng.uniform(0, 0.7) * len(cloud)) :]]
    if len(cloud) >= num_points:
        return cloud[rng.choice(len(cloud), num_points, replace=False)]
    return cloud[np.concatenate([np.arange(len(cloud)), rng.integers(len(cloud), size=num_points - len(cloud))])]


def described(view: np.ndarray) -> dict[str, float]:
    """Return a few numbers of a view; each step of the augmentation changes some of them."""
    _, first = np.unique(view[:, 3], return_index=True)
    coords = view[first, :3]
    return dict(
        distinct=float(len(first)),
        centre_x=coords[:, 0].mean(),
        centre_y=coords[:, 1].mean(),
        extent_x=np.ptp(coords[:, 0]),
        extent_z=np.ptp(coords[:, 2]),
        covariance=np.cov(coords.T)[0, 1],
        largest_number=view[:, 3].max(),
    )


@pytest.mark.parametrize('num_points', [300, 2048], ids=['fewer than are left', 'more than are left at times'])
@pytest.mark.parametrize('ahead', [False, True], ids=['drop-out', 'drop-out to size'])
def test_views_are_distributed_as_the_plain_ones(num_points, ahead):
    config = Config.fromfile(RECIPES / 'strl_paper.py')
    drop_out = dict(config.drop_out, at_most=num_points) if ahead else config.drop_out
    steps = [*config.view_transform, *config.crop_and_cutout, drop_out, config.jitter]
    pipeline = Compose([*steps, dict(type='DownSamplePoints', num_points=num_points)])
    views = [pipeline(dict(points=LiDARPoints(CLOUD, points_dim=4)))['points'].tensor.numpy() for _ in range(NUM_VIEWS)]
    rng = np.random.default_rng(1)
    plain = [plain_view(rng, num_points) for _ in range(NUM_VIEWS)]
    ours, theirs = ([described(view) for view in side] for side in (views, plain))
    for name in ours[0]:
        test = stats.ks_2samp([one[name] for one in ours], [one[name] for one in theirs])
        assert test.pvalue > 1e-3, name
    # A repeated point has the same jitter each time.
    assert all(len(np.unique(view, axis=0)) == len(np.unique(view[:, 3])) for view in views[:50])
