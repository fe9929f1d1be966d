"""What OpenPCDet's layers compute, restated in plain torch from its tensors: dense, one cloud at a time.

Its code is not used here; its operators need CUDA. Each function takes the state of its model by OpenPCDet's names.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

State = dict[str, Tensor]

KERNELS = {'1': (4, 3, 0, 1, 2), '2': (0, 4, 1, 2, 3), '2.0-native': (3, 4, 0, 1, 2)}
"""Version of spconv -> the axes of its weight in the order of a dense one: (out, in, z, y, x)."""


def normalised(x: Tensor, state: State, name: str, eps: float = 1e-3) -> Tensor:
    """BatchNorm in use; the channels are the second dimension."""
    values = (state[f'{name}.{kind}'] for kind in ('running_mean', 'running_var', 'weight', 'bias'))
    return F.batch_norm(x, *values, eps=eps)


class VoxelBackbone:
    """VoxelBackBone8x and VoxelResBackBone8x, as dense convolutions beside a mask of the active voxels."""

    def __init__(self, state: State, spconv: str, residual: bool) -> None:
        self.state, self.spconv, self.residual = state, spconv, residual

    def __call__(self, x: Tensor, mask: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Return the plane (1, C D, H, W), and per stage the features (1, C, D, H, W) and the mask (1, 1, D, H, W)."""
        x, mask = self.layer(x, mask, 'conv_input')
        stages = []
        for stage, padding in ((1, None), (2, 1), (3, 1), (4, (0, 1, 1))):
            if padding is not None:
                x, mask = self.layer(x, mask, f'conv{stage}.0', stride=2, padding=padding)
            blocks = (1, 2) if padding is not None else (0, 1) if self.residual else (0,)
            for block in blocks:
                x = self.block(x, mask, f'conv{stage}.{block}')
            stages.append((x, mask))
        x, _ = self.layer(x, mask, 'conv_out', stride=(2, 1, 1), padding=0)
        return x.flatten(1, 2), stages

    def block(self, x: Tensor, mask: Tensor, name: str) -> Tensor:
        """A submanifold convolution, or a residual block of two."""
        if not self.residual:
            return self.layer(x, mask, name)[0]
        inner = F.relu(normalised(self.convolved(x, f'{name}.conv1'), self.state, f'backbone_3d.{name}.bn1')) * mask
        inner = normalised(self.convolved(inner, f'{name}.conv2'), self.state, f'backbone_3d.{name}.bn2')
        return F.relu(inner + x) * mask

    def layer(self, x: Tensor, mask: Tensor, name: str, stride=1, padding=None) -> tuple[Tensor, Tensor]:
        """A convolution, its normalisation and ReLU; submanifold without a padding."""
        out = self.convolved(x, f'{name}.0', stride, 1 if padding is None else padding)
        if padding is not None:
            kernel = torch.ones(1, 1, *((3, 1, 1) if name == 'conv_out' else (3, 3, 3)))
            mask = (F.conv3d(mask, kernel, stride=stride, padding=padding) > 0).float()
        return F.relu(normalised(out, self.state, f'backbone_3d.{name}.1')) * mask, mask

    def convolved(self, x: Tensor, name: str, stride=1, padding=1) -> Tensor:
        weight = self.state[f'backbone_3d.{name}.weight'].permute(KERNELS[self.spconv])
        return F.conv3d(x, weight, self.state.get(f'backbone_3d.{name}.bias'), stride=stride, padding=padding)


def mean_voxels(
    cloud: Tensor, low: Tensor, size: Tensor, grid: tuple[int, int, int], most_points: int
) -> tuple[Tensor, Tensor]:
    """MeanVFE: the mean of each voxel's first points (1, C, *grid), grid in (z, y, x), and the mask (1, 1, *grid)."""
    z, y, x = ((cloud[:, :3] - low) / size).floor().long().flip(1).unbind(1)
    total, count = torch.zeros(*grid, cloud.shape[1]), torch.zeros(*grid, 1)
    for place, point in zip(zip(z, y, x, strict=True), cloud, strict=True):
        if count[place] < most_points:
            total[place] += point
            count[place] += 1
    mean = (total / count.clamp(min=1)).permute(3, 0, 1, 2)[None]
    return mean, (count > 0).float().permute(3, 0, 1, 2)[None]


def pillar_plane(
    state: State, cloud: Tensor, low: Tensor, size: Tensor, grid: tuple[int, int], most_points: int
) -> Tensor:
    """PillarVFE with the points' coordinates, and the scatter to a plane (1, C, *grid), grid in (y, x)."""
    pillars: dict[tuple[int, int], list[Tensor]] = {}
    for point in cloud:
        x, y, _ = ((point[:3] - low) / size).floor().long().tolist()
        pillars.setdefault((y, x), []).append(point)
    plane = None
    for (y, x), points in pillars.items():
        inside = torch.stack(points[:most_points])
        center = low + size * (torch.tensor([x, y, 0]) + 0.5)
        mean = inside[:, :3].mean(0)
        features = torch.cat([inside, inside[:, :3] - mean, inside[:, :3] - center], dim=1)
        features = F.pad(features, (0, 0, 0, most_points - len(inside)))  # empty places take part in the maximum
        layers = itertools.takewhile(lambda layer: f'vfe.pfn_layers.{layer}.linear.weight' in state, itertools.count())
        for layer in layers:
            name = f'vfe.pfn_layers.{layer}'
            features = F.relu(normalised(features @ state[f'{name}.linear.weight'].T, state, f'{name}.norm'))
            pooled = features.amax(0)
            features = torch.cat([features, pooled.expand_as(features)], dim=1)
        plane = torch.zeros(1, len(pooled), *grid) if plane is None else plane
        plane[0, :, y, x] = pooled
    return plane


def bev_backbone(state: State, plane: Tensor, strides: list[int], upsampling: list[float], conv_for_no_stride=False):
    """BaseBEVBackbone: blocks of convolutions, each level brought to the same resolution, concatenated."""
    levels, x = [], plane
    for block, stride in enumerate(strides):
        name = f'backbone_2d.blocks.{block}'
        x = F.conv2d(F.pad(x, (1, 1, 1, 1)), state[f'{name}.1.weight'], stride=stride)
        x = F.relu(normalised(x, state, f'{name}.2'))
        for layer in itertools.count(4, 3):
            if f'{name}.{layer}.weight' not in state:
                break
            x = F.conv2d(x, state[f'{name}.{layer}.weight'], padding=1)
            x = F.relu(normalised(x, state, f'{name}.{layer + 1}'))
        name, up = f'backbone_2d.deblocks.{block}', upsampling[block]
        weight = state[f'{name}.0.weight']
        if up > 1 or (up == 1 and not conv_for_no_stride):
            level = F.conv_transpose2d(x, weight, stride=int(up))
        else:
            level = F.conv2d(x, weight, stride=round(1 / up))
        levels.append(F.relu(normalised(level, state, f'{name}.1')))
    return torch.cat(levels, dim=1)


def farthest(points: Tensor, count: int) -> Tensor:
    """Farthest point sampling from the first point on: (count, 3)."""
    chosen, distance = [0], torch.full((len(points),), torch.inf)
    while len(chosen) < count:
        distance = torch.minimum(distance, (points - points[chosen[-1]]).square().sum(1))
        chosen.append(int(distance.argmax()))
    return points[chosen]


def set_abstraction(state: State, name: str, radii, xyz: Tensor, features: Tensor, centers: Tensor) -> Tensor:
    """StackSAModuleMSG with maximum: offsets first, then features; zeros for an empty ball. (M, C)."""
    scales = []
    for scale, radius in enumerate(radii):
        pooled = []
        for center in centers:
            near = (xyz - center).square().sum(1) < radius**2
            x = torch.cat([xyz[near] - center, features[near]], dim=1)
            x = x if len(x) else torch.zeros(1, x.shape[1])
            for layer in itertools.count(0, 3):
                conv = f'{name}.mlps.{scale}.{layer}.weight'
                if conv not in state:
                    break
                x = x @ state[conv].flatten(1).T
                x = F.relu(normalised(x, state, f'{name}.mlps.{scale}.{layer + 1}', eps=1e-5))
            pooled.append(x.amax(0))
        scales.append(torch.stack(pooled))
    return torch.cat(scales, dim=1)


def key_points(state: State, cloud: Tensor, plane: Tensor, stages, low: Tensor, size: Tensor, count: int) -> Tensor:
    """VoxelSetAbstraction of PV-RCNN: the plane, the raw points and four stages, fused. (count, 128)."""
    centers = farthest(cloud[:, :3], count)
    place = (centers[:, :2] - low[:2]) / size[:2] / 8  # of the plane's cells, whose corners count
    parts = [bilinear(plane[0], place)]
    parts.append(set_abstraction(state, 'pfe.SA_rawpoints', (0.4, 0.8), cloud[:, :3], cloud[:, 3:], centers))
    for stage, radii in enumerate(((0.4, 0.8), (0.8, 1.2), (1.2, 2.4), (2.4, 4.8))):
        features, mask = stages[stage]
        active = mask[0, 0].nonzero()
        xyz = low + (active.flip(1) + 0.5) * size * 2**stage
        inside = features[0].permute(1, 2, 3, 0)[tuple(active.T)]
        parts.append(set_abstraction(state, f'pfe.SA_layers.{stage}', radii, xyz, inside, centers))
    fused = torch.cat(parts, dim=1) @ state['pfe.vsa_point_feature_fusion.0.weight'].T
    return F.relu(normalised(fused, state, 'pfe.vsa_point_feature_fusion.1', eps=1e-5))


def bilinear(plane: Tensor, place: Tensor) -> Tensor:
    """Interpolate a plane (C, H, W) at places (x, y) in cells; beyond the last cell its upper neighbour is itself."""
    x, y = place.unbind(1)
    total = torch.zeros(len(place), len(plane))
    corner = place.floor()
    for dx, dy in itertools.product((0, 1), (0, 1)):
        column, row = (corner[:, 0] + dx).clamp(0, plane.shape[2] - 1), (corner[:, 1] + dy).clamp(0, plane.shape[1] - 1)
        opposite_x = (corner[:, 0] + 1 - dx).clamp(0, plane.shape[2] - 1)
        opposite_y = (corner[:, 1] + 1 - dy).clamp(0, plane.shape[1] - 1)
        share = ((x - opposite_x) * (1 if dx else -1)) * ((y - opposite_y) * (1 if dy else -1))
        total += share[:, None] * plane[:, row.long(), column.long()].T
    return total
