"""ShapeClassifier and its head: modes, losses, predictions, and one feature for the probe, STRL and the export."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmengine.structures import InstanceData

from strl_mmdet3d.evaluation.features import collect_features
from strl_mmdet3d.export import export_encoder, save_exported, verify_export
from strl_mmdet3d.models import DetectorEncoder

SIZES = {'pointnet': 1024, 'dgcnn': 2048}


def classifier(**head):
    cls_head = dict(type='ShapeClsHead', num_classes=4, in_channels=16) | head
    return MODELS.build(
        dict(type='ShapeClassifier', backbone=dict(type='PointNet', channels=(8, 16)), cls_head=cls_head)
    )


def batch_of(labels, num_points=20):
    samples = [Det3DDataSample(gt_instances_3d=InstanceData(labels_3d=torch.tensor([label]))) for label in labels]
    clouds = list(torch.randn(len(labels), num_points, 3))
    return dict(inputs=dict(points=clouds), data_samples=samples)


def test_the_loss_is_the_smoothed_cross_entropy_of_the_logits():
    model = classifier(label_smoothing=0.2).eval()  # no drop-out: the logits are the same twice
    batch = batch_of([0, 3, 1])
    loss = model(**batch, mode='loss')['loss_cls']
    log_p = model(**batch, mode='tensor').log_softmax(dim=1)
    truth = 0.8 * F.one_hot(torch.tensor([0, 3, 1]), 4) + 0.2 / 4
    torch.testing.assert_close(loss, -(truth * log_p).sum(dim=1).mean())


def test_without_smoothing_indifferent_logits_cost_the_logarithm_of_the_classes():
    model = classifier(label_smoothing=0.0)
    for weight in model.cls_head.parameters():
        torch.nn.init.zeros_(weight)
    assert model(**batch_of([0, 3]), mode='loss')['loss_cls'].item() == pytest.approx(math.log(4))


@pytest.mark.parametrize('label', [-1, 4])
def test_a_label_that_the_head_does_not_have_is_refused(label):
    with pytest.raises(ValueError, match=r'has 4 classes: set model\.cls_head\.num_classes'):
        classifier()(**batch_of([0, label]), mode='loss')


def test_a_prediction_is_the_most_probable_class_and_its_probability():
    model = classifier().eval()
    batch = batch_of([0, 0, 0])
    probabilities = model(**batch, mode='tensor').softmax(dim=1)
    samples = model(**batch, mode='predict')
    for sample, of_classes in zip(samples, probabilities, strict=True):
        predicted = sample.pred_instances_3d
        assert predicted.labels_3d.tolist() == [of_classes.argmax().item()]
        torch.testing.assert_close(predicted.scores_3d, of_classes.amax()[None])
        assert sample.gt_instances_3d.labels_3d.tolist() == [0]


def test_clouds_of_different_sizes_are_refused():
    clouds = [torch.randn(20, 3), torch.randn(10, 3)]
    with pytest.raises(ValueError, match=r'10 to 20 points: end their pipeline with\s+DownSamplePoints'):
        classifier().extract_feat(dict(points=clouds))


def test_an_unknown_mode_is_refused():
    with pytest.raises(RuntimeError, match='mode'):
        classifier()(**batch_of([0, 1]), mode='los')


def projector_input(model, clouds):
    """Return the input of STRL's projector for view 1."""
    seen = []
    hook = model.online_projector.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    views = {view: dict(inputs=dict(points=clouds), data_samples=None) for view in ('view_1', 'view_2')}
    with torch.no_grad():
        model(**model.data_preprocessor(views), mode='loss')
    hook.remove()
    return seen[0]


@pytest.mark.parametrize('name', SIZES)
def test_projector_probe_and_export_share_one_feature_bit_for_bit(name, tmp_path):
    pretraining = Config.fromfile(f'configs/strl/{name}_shapenet_pretrain.py')
    downstream = Config.fromfile(f'configs/downstream/{name}_shapes_from_strl.py')
    model = MODELS.build(pretraining.model)
    model.init_weights()
    clouds = list(torch.randn(3, 64, 3))
    for _ in range(2):  # so that the running statistics differ from a new layer's
        projector_input(model.train(), clouds)
    expected = projector_input(model.eval(), clouds)
    assert expected.shape == (3, SIZES[name])
    assert expected.std() > 0

    path = tmp_path / 'encoder.pth'
    save_exported(export_encoder(dict(meta={}, state_dict=model.state_dict()), name), path)
    assert len(verify_export(path, downstream).landed) == 30
    fine_tuned = MODELS.build(downstream.model).eval()
    load_checkpoint(fine_tuned, str(path), strict=False, logger='silent')
    inputs = fine_tuned.data_preprocessor(dict(inputs=dict(points=clouds), data_samples=None))['inputs']
    with torch.no_grad():
        assert torch.equal(fine_tuned.extract_feat(inputs), expected)

    exported = DetectorEncoder(downstream.model).eval()
    load_checkpoint(exported.detector, str(path), strict=False, logger='silent')
    with torch.no_grad():
        assert torch.equal(exported(inputs), expected)
    np.testing.assert_array_equal(collect_features(exported, torch.stack(clouds)), expected.numpy())
