"""How many shapes a classifier gets right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmdet3d.registry import METRICS
from mmengine.evaluator import BaseMetric


@METRICS.register_module()
class ShapeAccuracy(BaseMetric):
    """Overall accuracy and mean class accuracy, both in per cent.

    The mean is over the classes that occur among the shapes.

    Args:
        collect_device (str): Where the results of several ranks are collected, 'cpu' or 'gpu'.
        prefix (str, optional): Put before the names of the metrics.
    """

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the true and the predicted label of each shape.

        Args:
            data_batch: The batch from the dataloader; not looked at.
            data_samples: Of each shape its ``gt_instances_3d`` and ``pred_instances_3d`` with ``labels_3d`` (1,).
        """
        for sample in data_samples:
            true, predicted = (sample[key]['labels_3d'] for key in ('gt_instances_3d', 'pred_instances_3d'))
            self.results.append((int(true), int(predicted)))

    def compute_metrics(self, results: list[tuple[int, int]]) -> dict[str, float]:
        """Count.

        Args:
            results: True and predicted label of each shape.

        Returns:
            ``accuracy`` and ``mean_class_accuracy``, in [0, 100].
        """
        true, predicted = np.array(results).T
        right = true == predicted
        of_classes = [right[true == label].mean() for label in np.unique(true)]
        return dict(accuracy=100 * float(right.mean()), mean_class_accuracy=100 * float(np.mean(of_classes)))
