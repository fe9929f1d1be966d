"""Reads features at the places of regions: one vector per region, for dense STRL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ..errors import ConfigError
from .select_feature import select


class RegionContext(NamedTuple):
    """What a region's vector is read by, beside the feature.

    Attributes:
        regions: The places of the regions of B clouds, B x (M_i, 3), x, y and z in metres.
        outputs: The whole output of the detector, in which further features can be named.
        point_cloud_range: (x_min, y_min, z_min, x_max, y_max, z_max) of the detector's voxels, or None without voxels.
    """

    regions: Sequence[Tensor]
    outputs: Any
    point_cloud_range: Sequence[float] | None


@MODELS.register_module()
class BEVRegions(nn.Module):
    """Read a BEV plane at the regions' x and y, bilinearly between the centres of its cells.

    The plane covers the point cloud range of the detector's voxels: its rows are y, its columns x, as in all of
    mmdet3d's detectors. A place in the outer half of a border cell gets that cell's feature.
    """

    def forward(self, feature: Any, context: RegionContext) -> Tensor:
        """Read the plane.

        Args:
            feature: (B, C, H, W).
            context: The regions, and the range that the plane covers.

        Returns:
            (M_1 + ... + M_B, C) in the order of clouds and regions.

        Raises:
            ConfigError: If the feature is no BEV plane, or the detector has no voxels.
        """
        if not isinstance(feature, Tensor) or feature.ndim != 4:
            raise ConfigError(
                f"pool=dict(type='BEVRegions') reads a BEV plane (B, C, H, W), but `feature` names {_kind(feature)}: "
                "name a plane, such as feature='0' of a neck, or read points by PointRegions"
            )
        if len(feature) != len(context.regions):
            raise ConfigError(f'the feature holds {len(feature)} clouds, the batch {len(context.regions)}')
        if context.point_cloud_range is None:
            raise ConfigError(
                "pool=dict(type='BEVRegions') needs the point_cloud_range of the detector's voxel_layer, which has "
                'none: read points by PointRegions'
            )
        regions = context.regions
        low, high = feature.new_tensor(context.point_cloud_range, dtype=torch.float32).view(2, 3)[:, :2]
        # One call for all clouds: the gradient of each call would fill another whole plane.
        padded = pad_sequence(list(regions), batch_first=True)[:, None, :, :2]
        grid = (padded - low) / (high - low) * 2 - 1  # -1 and 1 are the outer edges of the border cells
        read = F.grid_sample(feature.float(), grid, padding_mode='border', align_corners=False)[:, :, 0]  # (B, C, M)
        return torch.cat([one[:, : len(places)].T for one, places in zip(read, regions, strict=True)])


@MODELS.register_module()
class PointRegions(nn.Module):
    """Read features of points (seeds, key points) at the regions' places.

    Args:
        places: The places of the points in the detector's output, by a dotted name as for ``feature``: (B, N, 3), such
            as ``'fp_xyz.-1'`` for VoteNet's seeds, or (V, 1 + 3) with the cloud's number first, such as
            ``'keypoints'`` for PV-RCNN's key points.
        radius: A region's vector is the mean over the points within this distance of its place, in metres, or the
            nearest point's, if none is as near. 0 takes the nearest always. Defaults to 0.3, within which VoteNet
            gathers its votes.

    Raises:
        ConfigError: If `radius` is negative.
    """

    def __init__(self, places: str, radius: float = 0.3) -> None:
        super().__init__()
        if not radius >= 0:
            raise ConfigError(f'PointRegions: radius must not be negative, got {radius}')
        self.places = places
        self.radius = radius

    def forward(self, feature: Any, context: RegionContext) -> Tensor:
        """Read the points.

        Args:
            feature: (B, C, N), or (V, C), a row for each place.
            context: The regions, and the detector's output with the points' places.

        Returns:
            (M_1 + ... + M_B, C) in the order of clouds and regions.

        Raises:
            ConfigError: If the feature is not of points, or does not fit the points' places.
        """
        places = select(context.outputs, self.places)
        rows = _rows_at_places(feature, places, len(context.regions))
        if rows is None:
            raise ConfigError(
                "pool=dict(type='PointRegions') reads features of points, (B, C, N) or (V, C), at places (B, N, 3) or "
                f'(V, 1 + 3): `feature` names {_kind(feature)}, places={self.places!r} {_kind(places)}, for '
                f'{len(context.regions)} clouds'
            )
        points, at, clouds = rows
        read = []
        for number, regions in enumerate(context.regions):
            mine = clouds == number
            if not mine.any():
                raise ConfigError(f'cloud {number} of the batch has no point among places={self.places!r}')
            with torch.autocast(points.device.type, enabled=False):  # a mean, and of float32 as in `BEVRegions`
                read.append(self.weights(regions, at[mine]) @ points[mine].float())
        return torch.cat(read)

    def weights(self, regions: Tensor, places: Tensor) -> Tensor:
        """Return the weight of each point in each region's mean.

        Args:
            regions: (M, 3), metres.
            places: (N, 3), metres, N > 0.

        Returns:
            Float32 (M, N), each row of sum 1.
        """
        distances = torch.cdist(regions.float(), places.float(), compute_mode='donot_use_mm_for_euclid_dist')
        chosen = distances <= torch.clamp(distances.amin(dim=1, keepdim=True), min=self.radius)
        return chosen / chosen.sum(dim=1, keepdim=True)


def _rows_at_places(feature: Any, places: Any, batch_size: int) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return features (V, C), their places (V, 3) and clouds (V,); None if they do not belong together."""
    if not isinstance(feature, Tensor) or not isinstance(places, Tensor):
        return None
    if places.ndim == 2 and places.shape[1] == 4:
        clouds, places = places[:, 0].long(), places[:, 1:]
    elif places.ndim == 3 and places.shape[::2] == (batch_size, 3):
        clouds, places = _one_after_the_other(places), places.flatten(0, 1)
    else:
        return None
    if feature.ndim == 3:
        feature = feature.transpose(1, 2)
        if not torch.equal(_one_after_the_other(feature), clouds):
            return None
        feature = feature.flatten(0, 1)
    return (feature, places, clouds) if feature.ndim == 2 and len(feature) == len(places) else None


def _one_after_the_other(points: Tensor) -> Tensor:
    """Return the cloud of each point of (B, N, C) in the order of clouds: int64 (B * N,)."""
    return torch.arange(len(points), device=points.device).repeat_interleave(points.shape[1])


def _kind(feature: Any) -> str:
    """Describe a feature for an error message."""
    return f'a tensor {tuple(feature.shape)}' if isinstance(feature, Tensor) else f'a {type(feature).__name__}'
