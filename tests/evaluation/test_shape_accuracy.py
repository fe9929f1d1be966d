"""ShapeAccuracy, compared with counts by hand and with scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmdet3d.registry import METRICS
from mmdet3d.structures import Det3DDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData
from sklearn.metrics import accuracy_score, recall_score


def evaluate(pairs):
    """Return the metrics of (true, predicted) labels, as mmengine's loops do."""
    samples = [
        Det3DDataSample(
            gt_instances_3d=InstanceData(labels_3d=torch.tensor([true])),
            pred_instances_3d=InstanceData(labels_3d=torch.tensor([predicted]), scores_3d=torch.tensor([0.5])),
        )
        for true, predicted in pairs
    ]
    evaluator = Evaluator(METRICS.build(dict(type='ShapeAccuracy')))
    evaluator.dataset_meta = {}
    half = len(samples) // 2
    for batch in (samples[:half], samples[half:]):
        evaluator.process(batch)
    return evaluator.evaluate(len(samples))


def test_a_rare_class_counts_as_much_as_a_common_one_in_the_mean():
    # Class 0: 3 of 3; class 2: 1 of 2; class 5: 0 of 1. Class 1 is predicted only.
    metrics = evaluate([(0, 0), (0, 0), (2, 2), (2, 1), (5, 0), (0, 0)])
    assert metrics == dict(accuracy=pytest.approx(100 * 4 / 6), mean_class_accuracy=pytest.approx(100 * 1.5 / 3))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_it_agrees_with_scikit_learn(pairs):
    true, predicted = np.array(pairs).T
    metrics = evaluate(pairs)
    assert metrics['accuracy'] == pytest.approx(100 * accuracy_score(true, predicted))
    recall = recall_score(true, predicted, labels=np.unique(true), average='macro')
    assert metrics['mean_class_accuracy'] == pytest.approx(100 * recall)
