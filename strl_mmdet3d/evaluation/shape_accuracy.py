"""The accuracy of a classifier of shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmdet3d.registry import METRICS
from mmengine.evaluator import BaseMetric


@METRICS.register_module()
class ShapeAccuracy(BaseMetric):
    """Overall accuracy and mean class accuracy, both in per cent.

    The mean is over the classes that occur among the true labels.

    Args:
        collect_device (str): The device that collects the results of several ranks, 'cpu' or 'gpu'.
        prefix (str, optional): A prefix of the metrics' names.
    """

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the ``labels_3d`` (1,) in ``gt_instances_3d`` and ``pred_instances_3d`` of each shape."""
        for sample in data_samples:
            true, predicted = (sample[key]['labels_3d'] for key in ('gt_instances_3d', 'pred_instances_3d'))
            self.results.append((int(true), int(predicted)))

    def compute_metrics(self, results: list[tuple[int, int]]) -> dict[str, float]:
        """Return ``accuracy`` and ``mean_class_accuracy`` in [0, 100], from the true and predicted labels."""
        true, predicted = np.array(results).T
        right = true == predicted
        of_classes = [right[true == label].mean() for label in np.unique(true)]
        return dict(accuracy=100 * float(right.mean()), mean_class_accuracy=100 * float(np.mean(of_classes)))
