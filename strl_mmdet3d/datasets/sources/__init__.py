"""Sources of sequences: one module per data set, which reads its published folder layout."""

from .frame_order import natural_key
from .lidar.folder import folder_sequences
from .lidar.folder_with_poses import PoseFiles, with_trajectories
from .lidar.kitti_360 import kitti_360_sequences
from .lidar.kitti_odometry import kitti_odometry_sequences
from .lidar.kitti_raw import kitti_raw_sequences
from .lidar.mmdet3d_infos import mmdet3d_info_sequences
from .lidar.nuscenes_tables import nuscenes_table_sequences
from .lidar.once import once_sequences
from .lidar.scans import ScanLister
from .recordings import RecordingSplitter, thinned
from .rgbd.depth_frames import DepthFrameLister
from .rgbd.depth_sources import DEPTH_SOURCES
from .rgbd.scannet import scannet_sequences
from .shapes.shapes import ShapeLister, shape_sequences
