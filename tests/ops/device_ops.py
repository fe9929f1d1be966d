"""Calls of every function that `strl_mmdet3d.ops` replaces, on one made scene, on any device."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import mmcv._ext
import mmcv.ops as ops
import numpy as np
import spconv.pytorch as spconv
import torch
import torch.nn.functional as F
from mmcv.ops.diff_iou_rotated import SortVertices, box2corners, box_in_box, box_intersection, build_vertices
from mmcv.ops.sparse_conv import SparseConv4d
from mmcv.ops.sparse_ops import get_indice_pairs
from mmdet.models.losses import FocalLoss
from mmdet3d.models import Det3DDataPreprocessor
from mmdet3d.structures import Det3DDataSample, PointData
from torch import Tensor, nn

GRID = [7, 8, 9]
Scene = SimpleNamespace


def scene(seed: int, device: str) -> Scene:
    """Made on the CPU, so that it is the same on every device.

    With an even seed the points lie on a lattice: distances are exact, many are equal, some equal a radius. With an odd
    one they are random, and no two distances are equal.
    """
    rng = np.random.default_rng(seed)

    def points(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) if seed % 2 else rng.integers(-3, 4, shape)

    def boxes(num: int, spread: float = 3.0) -> np.ndarray:
        place, size = rng.uniform(-spread, spread, (num, 3)), rng.uniform(0.5, 4, (num, 3))
        return np.column_stack([place, size, rng.uniform(-7, 7, num)])

    def sites(shape: list[int]) -> np.ndarray:
        cells = [np.unravel_index(rng.permutation(np.prod(shape))[:60], shape) for _ in range(2)]
        return np.concatenate([np.column_stack([np.full(60, cloud), *cell]) for cloud, cell in enumerate(cells)])

    fixed = dict(
        xyz=points(2, 256, 3),
        centers=points(2, 40, 3),
        distances=points(2, 64, 64) ** 2,
        weight=rng.random((2, 40, 3)),
        boxes=boxes(40),
        rois=np.stack([boxes(6), boxes(6)]),
        scores=rng.permutation(40) / 40,
    )
    learnt = dict(
        features=rng.normal(size=(2, 5, 256)),
        rows=rng.normal(size=(256, 5)),
        clouds=rng.normal(size=(2, 256, 3, 6)),
        kernel_scores=rng.random((2, 40, 4, 3)),
        logits=4 * rng.normal(size=(30, 3)),
        site_features=rng.normal(size=(120, 3)),
        pairs=np.stack([boxes(50, 1), boxes(50, 1)]),
    )
    whole = dict(
        idx=rng.integers(256, size=(2, 40, 4)),
        stacked_idx=rng.integers(100, size=(40, 4)),
        counts=np.array([[100, 156], [15, 25]]),
        voxels=rng.integers(-1, 3, (256, 3)),
        flat_sites=sites([11, 12]),
        sites=sites(GRID),
        sites_4d=sites([4, 5, 4, 3]),
    )
    made = Scene(labels=torch.from_numpy(rng.integers(0, 3, 30)).to(device), device=device)
    for name, array in fixed.items():
        setattr(made, name, torch.from_numpy(array).float().to(device))
    for name, array in learnt.items():
        setattr(made, name, torch.from_numpy(array).float().to(device).requires_grad_())
    for name, array in whole.items():
        setattr(made, name, torch.from_numpy(array).int().to(device))
    return made


def stacked(s: Scene) -> tuple[Tensor, Tensor]:
    """How many points, and how many centers, each of two clouds has."""
    return s.counts[0], s.counts[1]


def furthest_points(s: Scene) -> Tensor:
    """By mmcv's compiled function, which mmcv's own Python code calls for a GPU only."""
    near, idx = s.xyz.new_full(s.xyz.shape[:2], 1e10), s.idx.new_zeros(2, 40)
    mmcv._ext.furthest_point_sampling_forward(s.xyz, near, idx, b=2, n=256, m=40)
    return idx


def nearest_points(s: Scene) -> tuple[Tensor, Tensor]:
    idx, dist2 = s.idx.new_zeros(2, 40, 9), s.xyz.new_zeros(2, 40, 9)
    mmcv._ext.knn_forward(s.xyz, s.centers, idx, dist2, b=2, n=256, m=40, nsample=9)
    return idx, dist2


def sorted_vertices(s: Scene) -> Tensor:
    """The vertices come from the CPU, so that only their order is compared."""
    corners = [box2corners(boxes[None, :, [0, 1, 3, 4, 6]]) for boxes in s.pairs.detach().cpu()]
    vertices, mask = build_vertices(*corners, *box_in_box(*corners), *box_intersection(*corners))
    num_valid = mask.sum(dim=2).int()
    centre = (vertices * mask[..., None]).sum(dim=2, keepdim=True) / num_valid.clamp(min=1)[..., None, None]
    return SortVertices.apply((vertices - centre).to(s.device), mask.to(s.device), num_valid.to(s.device))


def clear_boxes(s: Scene, threshold: float = 0.2) -> tuple[Tensor, Tensor, float]:
    """Boxes, scores and a threshold that no overlap is near: the CUDA kernel's areas are not exact."""
    kept: list[int] = []
    seen = s.boxes[:, [0, 1, 3, 4, 6]].cpu()
    for n, shares in enumerate(ops.box_iou_rotated(seen, seen)):
        if ((shares[kept] - threshold).abs() > 0.05).all():
            kept.append(n)
    return s.boxes[kept], s.scores[kept], threshold


def sparse_layer(library: object, s: Scene, layers: list[nn.Module], sites: Tensor, shape: list[int]) -> tuple:
    """Outputs and weights' gradients; the order of the output sites is free, so they are sorted."""
    torch.manual_seed(0)
    network = library.SparseSequential(*(layer() for layer in layers)).to(s.device)
    out = network(library.SparseConvTensor(s.site_features, sites, shape, 2))
    places = out.indices.long()
    order = sum(places[:, n] * 100 ** (places.shape[1] - 1 - n) for n in range(places.shape[1])).argsort()
    features = out.features[order]
    weights = list(network.parameters())
    slope = torch.linspace(-1, 1, features.numel(), device=s.device).view_as(features)
    gradients = torch.autograd.grad(features, weights, slope, retain_graph=True) if weights else ()
    return (out.indices[order], features, *gradients)


def paired_sites(s: Scene, sites: Tensor, shape: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs of a strided convolution as rows (place in the kernel, input, output site), sorted."""
    grid = sites.new_full((2 * int(np.prod([(size + 1) // 2 for size in shape])),), -1)
    out, pairs, counts = get_indice_pairs(sites, 2, shape, 3, 2, 1, grid=grid)
    rows = [
        torch.cat([torch.tensor([place, int(first)]), out[int(second)].cpu().long()])
        for place, count in enumerate(counts.tolist())
        for first, second in zip(*pairs[place, :, :count], strict=True)
    ]
    return out.unique(dim=0), counts, torch.stack(rows).unique(dim=0)


def mmcv_sparse(*layers: Callable[[], nn.Module], sites: str = 'sites', shape: list[int] = GRID) -> Callable:
    return lambda s: sparse_layer(ops, s, layers, getattr(s, sites), shape)


def spconv_sparse(*layers: Callable[[], nn.Module]) -> Callable:
    return lambda s: sparse_layer(spconv, s, layers, s.sites, GRID)


def minkunet_voxels(s: Scene) -> dict[str, Tensor]:
    layer = dict(max_num_points=-1, point_cloud_range=[-9, -9, -9, 9, 9, 9], voxel_size=[0.5] * 3, max_voxels=(-1, -1))
    preprocessor = Det3DDataPreprocessor(voxel=True, voxel_type='minkunet', voxel_layer=layer).eval()
    # mmdet3d's own looks for labels, and needs a place for them.
    samples = [Det3DDataSample(gt_pts_seg=PointData()) for _ in s.xyz]
    return preprocessor.voxelize(list(F.pad(s.xyz, (0, 1))), samples)


CASES: dict[str, Callable[[Scene], object]] = {
    'furthest points': lambda s: ops.furthest_point_sample(s.xyz, 40),
    'furthest points, compiled': furthest_points,
    'furthest points by distance': lambda s: ops.furthest_point_sample_with_dist(s.distances, 20),
    'ball': lambda s: ops.ball_query(0, 1.0, 8, s.xyz, s.centers),
    'hollow ball': lambda s: ops.ball_query(1.0, 2.0, 8, s.xyz, s.centers),
    'ball, stacked': lambda s: ops.ball_query(0, 1.0, 8, s.xyz[0], s.centers[0], *stacked(s)),
    'gathered': lambda s: ops.gather_points(s.features, s.idx[..., 0].contiguous()),
    'grouped': lambda s: ops.grouping_operation(s.features, s.idx),
    'grouped, stacked': lambda s: ops.grouping_operation(s.rows, s.stacked_idx, *stacked(s)),
    'three nearest': lambda s: ops.three_nn(s.centers, s.xyz),
    'interpolated': lambda s: ops.three_interpolate(s.features, s.idx[..., :3].contiguous(), s.weight),
    'nearest': lambda s: ops.knn(9, s.xyz, s.centers),
    'nearest, compiled': nearest_points,
    'scattered, maximum': lambda s: ops.dynamic_scatter(s.rows, s.voxels, 'max'),
    'scattered, mean': lambda s: ops.dynamic_scatter(s.rows, s.voxels, 'mean'),
    'scattered, sum': lambda s: ops.dynamic_scatter(s.rows, s.voxels, 'sum'),
    'pooled in voxels, maximum': lambda s: ops.RoIAwarePool3d(3, 6, 'max')(s.rois[0], s.xyz[0], s.rows),
    'pooled in voxels, mean': lambda s: ops.RoIAwarePool3d(3, 6, 'avg')(s.rois[0], s.xyz[0], s.rows),
    'pooled in boxes': lambda s: ops.RoIPointPool3d(20)(s.xyz, s.features.detach().mT.contiguous(), s.rois),
    'assembled': lambda s: ops.assign_score_withk(s.kernel_scores, s.clouds, s.clouds, s.idx.long()),
    'sigmoid focal loss': lambda s: ops.sigmoid_focal_loss(s.logits, s.labels, 2.0, 0.25, None, 'mean'),
    'softmax focal loss': lambda s: ops.softmax_focal_loss(s.logits, s.labels, 2.0, 0.25, None, 'mean'),
    'focal loss of mmdet': lambda s: FocalLoss()(s.logits, s.labels),
    'rotated IoU': lambda s: ops.box_iou_rotated(s.boxes[:, [0, 1, 3, 4, 6]], s.boxes[:20, [0, 1, 3, 4, 6]]),
    'rotated suppression': lambda s: ops.nms_rotated(s.boxes[:, [0, 1, 3, 4, 6]].contiguous(), s.scores, 0.2),
    'overlap from above': lambda s: ops.boxes_overlap_bev(s.boxes, s.boxes[:20]),
    'IoU in space': lambda s: ops.boxes_iou3d(s.boxes, s.boxes[:20]),
    'suppression': lambda s: ops.nms3d(*clear_boxes(s)),
    'upright suppression': lambda s: ops.nms3d_normal(*clear_boxes(s)),
    'sorted vertices': sorted_vertices,
    'differentiable IoU': lambda s: ops.diff_iou_rotated_3d(s.pairs[:1], s.pairs[1:]),
    'points in all boxes': lambda s: ops.points_in_boxes_all(s.xyz, s.rois),
    'points in the first box': lambda s: ops.points_in_boxes_part(s.xyz, s.rois),
    'MinkUNet voxels': minkunet_voxels,
    'sparse pairs in 2D': lambda s: paired_sites(s, s.flat_sites, [11, 12]),
    'sparse pairs in 3D': lambda s: paired_sites(s, s.sites, GRID),
    'sparse in 2D': mmcv_sparse(lambda: ops.SparseConv2d(3, 5, 3, 2, 1), sites='flat_sites', shape=[11, 12]),
    'sparse in 4D': mmcv_sparse(lambda: SparseConv4d(3, 2, 3, 1, 1), sites='sites_4d', shape=[4, 5, 4, 3]),
    'submanifold': mmcv_sparse(lambda: ops.SubMConv3d(3, 5, 3)),
    'sparse': mmcv_sparse(lambda: ops.SparseConv3d(3, 5, 3, 2, 1)),
    'sparse, there and back': mmcv_sparse(
        lambda: ops.SparseConv3d(3, 4, 3, 2, 1, indice_key='a'), lambda: ops.SparseInverseConv3d(4, 5, 3, 'a')
    ),
    'sparse maximum': mmcv_sparse(lambda: ops.SparseMaxPool3d(2, 2)),
    'spconv submanifold': spconv_sparse(lambda: spconv.SubMConv3d(3, 5, 3)),
    'spconv sparse': spconv_sparse(lambda: spconv.SparseConv3d(3, 5, 3, 2, 1)),
    'spconv sparse, there and back': spconv_sparse(
        lambda: spconv.SparseConv3d(3, 4, 3, 2, 1, indice_key='a'),
        lambda: spconv.SparseInverseConv3d(4, 5, 3, indice_key='a'),
    ),
    'spconv sparse maximum': spconv_sparse(lambda: spconv.SparseMaxPool3d(2, 2)),
}


# Of most outputs, in their unit: float32 is added up in another order.
ROUNDING = 1e-5
# The CUDA kernel takes a corner up to 1 cm outside of the other box to be in it; these boxes have sides up to 4 m.
TOLERANCES = {'overlap from above': 0.1, 'IoU in space': 0.03, 'differentiable IoU': 1e-3}


def results(case: str, seed: int, device: str) -> dict[str, Tensor]:
    """The outputs of a case, and the gradient of each input that has one, on the CPU."""
    s = scene(seed, device)
    made = CASES[case](s)
    if isinstance(made, dict):
        made = tuple(made.values())
    outputs = made if isinstance(made, tuple) else (made,)
    found = {f'output {n}': out.detach().cpu() for n, out in enumerate(outputs)}
    leaves = {name: leaf for name, leaf in vars(s).items() if isinstance(leaf, Tensor) and leaf.requires_grad}
    learnt = [out for out in outputs if out.requires_grad]
    if learnt:
        slopes = [torch.linspace(-1, 1, out.numel()).view(out.shape).to(out) for out in learnt]
        gradients = torch.autograd.grad(learnt, list(leaves.values()), slopes, allow_unused=True)
        for name, gradient in zip(leaves, gradients, strict=True):
            if gradient is not None:
                found[f'gradient of {name}'] = gradient.cpu()
    return found


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float = ROUNDING) -> None:
    """Indices are equal, and real numbers up to a tolerance."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        rounding = dict(rtol=1e-4, atol=tolerance) if tensor.is_floating_point() else dict(rtol=0, atol=0)
        torch.testing.assert_close(
            found[name], tensor, **rounding, check_dtype=False, msg=lambda text, name=name: f'{name}: {text}'
        )
