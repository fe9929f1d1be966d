"""The baselines on real shapes, and the effect of calibration; on few points, to be fast."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict

from strl_mmdet3d.evaluation.calibration import calibrate_batchnorm
from strl_mmdet3d.evaluation.features import collect_features, shuffled_batches_of
from strl_mmdet3d.evaluation.handcrafted import handcrafted_features
from strl_mmdet3d.evaluation.probe_suite import large_classes, run_probes
from strl_mmdet3d.evaluation.probed_encoders import random_encoder

MODEL = ConfigDict(
    type='ShapeClassifier',
    backbone=dict(type='PointNet'),
    cls_head=dict(type='ShapeClsHead', in_channels=1024, num_classes=69),
)


@pytest.mark.real
def test_a_random_encoder_is_worth_much_once_it_is_calibrated(real_data):
    with np.load(real_data / 'shapes69_2048.npz', allow_pickle=False) as arrays:
        labels, is_train = arrays['label'].astype(int), arrays['split'] == 'train'
        many = np.bincount(labels)[labels] >= 40
        points = torch.from_numpy(arrays['points'][many, :256].astype(np.float32))
    labels, is_train = labels[many], is_train[many]
    part = large_classes(labels[is_train], labels[~is_train], 0)

    def unscaled_and_standardised(features):
        scores = run_probes(part, features[is_train], labels[is_train], features[~is_train], labels[~is_train], seed=0)
        return scores.unscaled.accuracy, scores.standardised.accuracy

    encoder = random_encoder(MODEL, seed=0)
    as_initialised, _ = unscaled_and_standardised(collect_features(encoder, points))
    calibrate_batchnorm(encoder, shuffled_batches_of(encoder, points[is_train], seed=0))
    calibrated, standardised = unscaled_and_standardised(collect_features(encoder, points))
    _, handcrafted = unscaled_and_standardised(handcrafted_features(points.numpy(), seed=0))
    assert part.num_classes == 8
    assert as_initialised < 40  # 20 % would be chance
    assert calibrated > 65
    assert standardised > 65
    assert handcrafted > 60
