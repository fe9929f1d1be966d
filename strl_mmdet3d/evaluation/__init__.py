"""Measures how good an encoder is: probes of its features, honest baselines, metrics, label fractions."""

from .detection.kitti_range_metric import KittiRangeMetric
from .shape_accuracy import ShapeAccuracy
