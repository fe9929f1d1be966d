"""Sources of sequences: one module per data set, which reads its published folder layout."""

from .depth_frames import DepthFrameLister
from .depth_sources import DEPTH_SOURCES
from .folder import folder_sequences
from .folder_with_poses import PoseFiles, with_trajectories
from .kitti_360 import kitti_360_sequences
from .kitti_odometry import kitti_odometry_sequences
from .kitti_raw import kitti_raw_sequences
from .mmdet3d_infos import mmdet3d_info_sequences
from .nuscenes_tables import nuscenes_table_sequences
from .once import once_sequences
from .recordings import RecordingSplitter
from .scannet import scannet_sequences
from .scans import ScanLister, natural_key
from .shapes import ShapeLister, shape_sequences
