"""Clouds, batches and features; and that the projector and the probe get the same tensor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS, MODELS
from tiny_shapes import tiny_dataset, tiny_model, tiny_shape_strl

from strl_mmdet3d.evaluation.calibration import calibrate_batchnorm
from strl_mmdet3d.evaluation.features import batches_of, collect_features, read_clouds, shuffled_batches_of
from strl_mmdet3d.evaluation.probed_encoders import pretrained_encoder, random_encoder
from strl_mmdet3d.export import export_encoder, save_exported


@pytest.fixture
def dataset():
    return DATASETS.build(tiny_dataset([4, 3, 2]))


def test_clouds_are_those_of_the_seed_and_numpys_state_is_left_alone(dataset):
    state = np.random.get_state()[1].copy()
    first, again, other = (read_clouds(dataset, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert first.points.shape == (9, 60, 3)
    assert first.points.dtype == torch.float32
    assert first.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert torch.equal(first.points, again.points)
    assert not torch.equal(first.points, other.points)


def test_features_do_not_depend_on_the_batch_and_the_mode_before(dataset):
    points = read_clouds(dataset, 0).points
    encoder = random_encoder(tiny_model(), 0)
    calibrate_batchnorm(encoder, batches_of(encoder, points, 4))
    features = collect_features(encoder.train(), points, batch_size=4)
    assert features.shape == (9, 16)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, collect_features(encoder, points, batch_size=9), atol=1e-5)
    np.testing.assert_allclose(features[3:4], collect_features(encoder, points[3:4]), atol=1e-5)


def test_projector_probe_and_exported_encoder_have_the_same_tensor(dataset, tmp_path):
    points = read_clouds(dataset, 0).points
    model = MODELS.build(tiny_shape_strl())
    seen = []
    model.online_projector.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().numpy()))
    batch = dict(points=list(points))
    model.eval().loss(batch, batch)
    path = tmp_path / 'encoder.pth'
    save_exported(export_encoder(dict(meta={}, state_dict=model.state_dict()), 'a run'), path)
    np.testing.assert_array_equal(collect_features(pretrained_encoder(tiny_model(), path), points), seen[0])


def test_shuffled_batches_are_full_and_hold_each_cloud_once():
    encoder = random_encoder(tiny_model(), 0)
    points = torch.arange(11.0).view(11, 1, 1).expand(11, 2, 3)

    def order(seed: int, batch_size: int) -> list[list[float]]:
        batches = shuffled_batches_of(encoder, points, seed, batch_size)
        return [[cloud[0, 0].item() for cloud in batch['points']] for batch in batches]

    assert [len(batch) for batch in order(0, 4)] == [4, 4]
    assert len({cloud for batch in order(0, 4) for cloud in batch}) == 8
    assert order(0, 4) == order(0, 4) != order(1, 4)
    assert sorted(order(0, 32)[0]) == list(range(11))  # fewer than a batch are one


def test_features_that_are_no_numbers_are_refused(dataset):
    encoder = random_encoder(tiny_model(), 0)
    with torch.no_grad():
        encoder.detector.backbone[0].weight.fill_(torch.nan)
    with pytest.raises(ValueError, match='NaN'):
        collect_features(encoder, read_clouds(dataset, 0).points)


def test_clouds_of_different_sizes_and_several_labels_are_refused(dataset):
    class Changed(torch.utils.data.Dataset):
        def __init__(self, change):
            self.change = change

        def __len__(self):
            return len(dataset)

        def __getitem__(self, index):
            item = dataset[index]
            self.change(index, item)
            return item

    def shorten(index, item):
        item['inputs']['points'] = item['inputs']['points'][: 50 + index]

    def relabel(index, item):
        item['data_samples'].gt_instances_3d = item['data_samples'].gt_instances_3d[[0, 0]]

    with pytest.raises(ValueError, match='50 to 58 points: end their pipeline with DownSamplePoints'):
        read_clouds(Changed(shorten), 0)
    with pytest.raises(ValueError, match='one label per cloud'):
        read_clouds(Changed(relabel), 0)
