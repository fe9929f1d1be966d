"""Trunks that mmdet3d lacks, and one of its own with its graph put right."""

from .dgcnn import DGCNN
from .feature_knn_dgcnn import FeatureKNNDGCNN
from .pointnet import PointNet

__all__ = ['DGCNN', 'FeatureKNNDGCNN', 'PointNet']
