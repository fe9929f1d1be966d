"""DetectorEncoder: the detector's own names, its own features, and clear errors."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import MODELS
from tiny import pair_batch, tiny_detector

from strl_mmdet3d.models.encoder import DetectorEncoder, load_model_config, select


def inputs(encoder, size=2):
    return encoder.data_preprocessor(pair_batch(size)['view_1'], False)['inputs']


def test_it_is_the_detector_without_heads_under_the_same_names():
    detector = MODELS.build(tiny_detector())
    encoder = DetectorEncoder(tiny_detector(), feature='0')
    mine = {name.removeprefix('detector.') for name in encoder.state_dict()}
    assert mine == {name for name in detector.state_dict() if not name.startswith('bbox_head.')}


def test_its_output_is_the_maximum_of_what_the_stock_detector_extracts():
    detector = MODELS.build(tiny_detector()).eval()
    encoder = DetectorEncoder(tiny_detector(), feature='0').eval()
    encoder.detector.load_state_dict(detector.state_dict(), strict=False)
    batch = inputs(encoder)
    torch.testing.assert_close(encoder(batch), detector.extract_feat(batch)[0].amax(dim=(2, 3)))


def test_it_leaves_its_input_as_it_is():
    # PillarFeatureNet writes into the voxels: the target would otherwise see other points than the online network.
    encoder = DetectorEncoder(tiny_detector(), feature='0').eval()
    batch = inputs(encoder)
    before = batch['voxels']['voxels'].clone()
    first = encoder(batch)
    assert torch.equal(batch['voxels']['voxels'], before)
    assert torch.equal(encoder(batch), first)


def test_a_shorter_trunk_runs_and_keeps_only_that():
    encoder = DetectorEncoder(tiny_detector(), trunk=['voxel_encoder', 'middle_encoder'])
    assert {name.split('.')[1] for name in encoder.state_dict()} == {'voxel_encoder'}
    assert encoder(inputs(encoder)).shape == (2, 8)


def test_several_features_are_concatenated():
    encoder = DetectorEncoder(tiny_detector(), feature=['0', '-1'])
    assert encoder(inputs(encoder)).shape == (2, 32)


def test_override_changes_the_detector_and_not_the_config_given():
    config = tiny_detector()
    encoder = DetectorEncoder(config, feature='0', override={'backbone.layer_nums': [2, 2]})
    assert len(encoder.detector.backbone.blocks[0]) == 9
    assert config.backbone.layer_nums == [1, 1]


@pytest.mark.parametrize(
    ('name', 'type_'),
    [
        ('mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py', 'PointVoxelRCNN'),
        ('mmdet3d::votenet/votenet_8xb16_sunrgbd-3d.py', 'VoteNet'),
    ],
)
def test_stock_configs_are_found_by_their_package_name(name, type_):
    assert load_model_config(name).type == type_


def test_a_typo_in_the_config_name_is_answered_with_the_nearest():
    with pytest.raises(FileNotFoundError, match=r'pv_rcnn_8xb2-80e_kitti-3d-3class\.py'):
        DetectorEncoder('mmdet3d::pv_rcnn/pv_rcn_8xb2-80e_kitti-3d-3class.py')


def test_a_typo_in_the_detector_is_answered_with_its_name():
    with pytest.raises(KeyError, match='VoxelNett'):
        DetectorEncoder(tiny_detector() | dict(type='VoxelNett'))


def test_a_typo_in_a_key_of_the_detector_is_answered_with_its_name():
    with pytest.raises(KeyError, match='bakbone'):
        DetectorEncoder(tiny_detector() | dict(bakbone=dict()))


def test_an_unknown_part_of_the_trunk_is_answered_with_the_parts_there_are():
    with pytest.raises(KeyError, match=r"midle_encoder.*'middle_encoder'"):
        DetectorEncoder(tiny_detector(), trunk=['midle_encoder'])


@pytest.mark.parametrize('feature', ['1', 'neck', '0.1.2.3.4'])
def test_an_unknown_feature_is_answered_with_what_there_is(feature):
    encoder = DetectorEncoder(tiny_detector(), feature=feature)
    with pytest.raises(KeyError, match=f"feature='{feature}'"):
        encoder(inputs(encoder))


def test_an_unknown_pool_is_refused():
    with pytest.raises(ValueError, match='max_mean'):
        DetectorEncoder(tiny_detector(), pool='average')


def test_select_follows_keys_and_positions():
    nested = {'a': [1, {'b': 2}]}
    assert select(nested, None) is nested
    assert select(nested, 'a.0') == 1
    assert select(nested, 'a.-1.b') == 2
