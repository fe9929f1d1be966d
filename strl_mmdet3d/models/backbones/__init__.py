"""Trunks that mmdet3d lacks, and its DGCNN with a corrected graph."""

from .dgcnn import DGCNN
from .feature_knn_dgcnn import FeatureKNNDGCNN
from .pointnet import PointNet
