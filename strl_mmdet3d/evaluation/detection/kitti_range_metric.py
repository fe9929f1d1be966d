"""KITTI's metric for a detector that sees a part of KITTI's range."""

from __future__ import annotations

import numpy as np
from mmdet3d.evaluation import KittiMetric
from mmdet3d.registry import METRICS


@METRICS.register_module()
class KittiRangeMetric(KittiMetric):
    """KITTI's metric on the objects whose bottom centre lies within ``pcd_limit_range``.

    mmdet3d's own drops predictions outside this range, but an object there counts as missed. So the average precision
    of a detector with half of KITTI's range is bounded, by about the share of the objects that it can see. Here such an
    object is renamed to 'DontCare': it is neither found nor missed.

    Args:
        **kwargs: As of mmdet3d's ``KittiMetric``.
    """

    def convert_annos_to_kitti_annos(self, data_infos: dict) -> list[dict]:
        """Convert mmdet3d's infos to KITTI's annotations, objects out of the range renamed."""
        infos = super().convert_annos_to_kitti_annos(data_infos)
        for info in infos:
            annos = info.get('kitti_annos')
            if annos is not None and len(annos['name']):
                lidar2cam = np.asarray(info['images'][self.default_cam_key]['lidar2cam'])
                names = annos['name'].astype('<U16')
                names[~self.is_within(annos['location'], lidar2cam)] = 'DontCare'
                annos['name'] = names
        return infos

    def is_within(self, locations: np.ndarray, lidar2cam: np.ndarray) -> np.ndarray:
        """Return which bottom centres (N, 3), metres in the camera's axes, lie within the range seen from above.

        Args:
            locations: x to the right, y down, z forward.
            lidar2cam: (4, 4), from the LiDAR's axes to the camera's.

        Returns:
            bool (N,). Heights are left out: a detector may find what stands a little above or below its range.
        """
        homogeneous = np.column_stack([locations, np.ones(len(locations))])
        places = np.linalg.solve(lidar2cam, homogeneous.T).T[:, :2]
        low, high = np.array(self.pcd_limit_range[:2]), np.array(self.pcd_limit_range[3:5])
        return ((places >= low) & (places < high)).all(axis=1)
