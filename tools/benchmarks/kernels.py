"""The CPU kernels, against what else from PyPI does the same on a CPU, with two threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from mmcv.ops import ball_query, furthest_point_sample, grouping_operation, three_nn
from scipy.spatial import cKDTree
from torch import nn

from strl_mmdet3d.models.backbones.dgcnn import EdgeConv

from .peers import peers
from .timing import Row, compare, not_run, threads

BATCH, POINTS, SAMPLES, RADIUS, NEIGHBOURS = 4, 20_000, 2048, 0.2, 64  # VoteNet's first layer


def kernel_rows(repeats: int) -> list[Row]:
    """Time each kernel as VoteNet's trunk calls it, and DGCNN's edge convolution."""
    with threads(2):
        cloud = torch.rand(BATCH, POINTS, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([8, 8, 3])
        return [*sampling(cloud, repeats), *neighbours(cloud, repeats), *edge_convolution(repeats)]


def sampling(cloud: torch.Tensor, repeats: int) -> list[Row]:
    """Furthest point sampling, against fpsample and torch-cluster, and against reading and writing what it must."""
    what = f'furthest point sampling, {BATCH} x {POINTS} -> {SAMPLES}'
    rows, arrays = [], [one.numpy() for one in cloud]

    def ours() -> object:
        return furthest_point_sample(cloud, SAMPLES)

    def fpsample() -> Callable[[], object]:
        with peers():
            import fpsample

        return lambda: [fpsample.fps_sampling(one, SAMPLES, start_idx=0) for one in arrays]

    def torch_cluster() -> Callable[[], object]:
        with peers():
            from torch_cluster import fps

        flat, batch = cloud.flatten(0, 1), torch.arange(BATCH).repeat_interleave(POINTS)
        return lambda: fps(flat, batch, ratio=SAMPLES / POINTS, random_start=False)

    for name, load in {'fpsample': fpsample, 'torch-cluster': torch_cluster}.items():
        try:
            rows += compare(what, ours, {name: load()}, repeats, most=1)
        except ImportError as error:
            rows.append(not_run(what, name, error))

    # For each sample every point's coordinates and distance are read, and its distance written.
    coords, distance = cloud[0].T.contiguous(), torch.zeros(POINTS)

    def memory() -> None:
        for _ in range(BATCH * SAMPLES // 2):  # of two threads, each does half of the clouds
            torch.sum(coords, dim=0, out=distance)

    with threads(1):
        limit = {'limit: memory, as torch sums three columns': memory}
        rows += compare(what, lambda: _with_two(ours), limit, repeats, most=2)
    return rows


def _with_two(function: Callable[[], object]) -> object:
    """Call a function with two threads."""
    with threads(2):
        return function()


def neighbours(cloud: torch.Tensor, repeats: int) -> list[Row]:
    """Ball query, three nearest neighbours and grouping, against scipy's k-d tree and torch's own indexing."""
    centers = cloud[:, :SAMPLES].contiguous()
    pairs = list(zip(cloud.numpy(), centers.numpy(), strict=True))
    features = torch.randn(BATCH, 64, POINTS)
    idx = ball_query(0, RADIUS, NEIGHBOURS, cloud, centers)

    def scipy_balls() -> None:
        for points, some in pairs:
            found = cKDTree(points).query_ball_point(some, RADIUS, workers=2, return_sorted=True)
            out = np.zeros((SAMPLES, NEIGHBOURS), np.int32)
            for row, hits in enumerate(found):
                first = hits[:NEIGHBOURS]
                out[row] = first[0] if first else 0
                out[row, : len(first)] = first

    seeds, known = cloud[:, :1024].contiguous(), cloud[:, :512].contiguous()  # of the last feature propagation

    def scipy_nearest() -> None:
        for some, points in zip(seeds.numpy(), known.numpy(), strict=True):
            cKDTree(points).query(some, k=3, workers=2)

    def torch_gather() -> torch.Tensor:
        flat = idx.long().flatten(1)[:, None].expand(-1, 64, -1)
        return features.gather(2, flat).unflatten(2, idx.shape[1:])

    rows = compare(
        f'ball query, {SAMPLES} of {NEIGHBOURS} in {POINTS}',
        lambda: ball_query(0, RADIUS, NEIGHBOURS, cloud, centers),
        {'scipy cKDTree.query_ball_point': scipy_balls},
        repeats,
        most=1,
    )
    rows += compare(
        'three nearest of 512 to 1024',
        lambda: three_nn(seeds, known),
        {'scipy cKDTree.query': scipy_nearest},
        repeats,
        most=1,
    )
    rows += compare(
        'grouping of 64 channels',
        lambda: grouping_operation(features, idx),
        {'torch.gather': torch_gather},
        repeats,
        most=1,
    )
    return rows


def edge_convolution(repeats: int) -> list[Row]:
    """DGCNN's third edge convolution, forward and backward, against making every edge."""

    class PlainBatchNorm(nn.BatchNorm1d):
        """`EdgeConv` makes each edge for a BatchNorm that it does not know."""

    points = torch.randn(8, 1024, 64, requires_grad=True)
    ours = EdgeConv(64, 128, k=20)
    plain = EdgeConv(64, 128, k=20)
    plain.bn = PlainBatchNorm(128)
    return compare(
        'edge convolution of 8 x 1024 points, 20 neighbours, forward and backward',
        lambda: ours(points).sum().backward(),
        {'torch, every edge made': lambda: plain(points).sum().backward()},
        repeats,
        most=1,
    )
