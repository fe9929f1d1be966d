"""Sources of sequences: one module per data set, which reads its published folder layout."""

from .folder import folder_sequences
from .kitti_odometry import kitti_odometry_sequences
from .kitti_raw import kitti_raw_sequences
from .scannet import DepthFrameLister, scannet_sequences
from .scans import ScanLister, natural_key
from .shapes import ShapeLister, shape_sequences
