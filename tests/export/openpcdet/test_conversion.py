"""Exported encoders under OpenPCDet's names compute there what they compute here, and come back bit for bit."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
import torch
from restated_networks import VoxelBackbone, bev_backbone, key_points, mean_voxels, pillar_plane
from torch import Tensor
from trunks import TRUNKS, Trunk, exported_trunk, features, random_detector

from strl_mmdet3d.export import ExportError
from strl_mmdet3d.export.openpcdet import DETECTORS, LAYOUTS, from_openpcdet, to_openpcdet
from strl_mmdet3d.export.provenance import META_KEY, check_exported
from strl_mmdet3d.export.trunk_settings import trunk_settings

NEW_PILLARS = {'pointpillars': {'voxel_encoder.legacy': False}}
"""The settings by which mmdet3d's detector computes what OpenPCDet's does."""


class Read(dict):
    """A state of a model that notes which of its tensors are read."""

    def __init__(self, state: dict) -> None:
        super().__init__(state)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        if name not in self:
            return default
        return self[name]


@lru_cache
def detector(name: str) -> tuple[Any, Any]:
    """A random detector of mmdet3d, and its config."""
    config = TRUNKS[name].config(**NEW_PILLARS.get(name, {}))
    return random_detector(config), config


def theirs(state: dict, trunk: Trunk, cloud: Tensor, spconv: str = '2', conv_for_no_stride: bool = False):
    """The features of OpenPCDet's detector: the plane behind its 2D backbone, and PV-RCNN's fused key points."""
    low, size = torch.tensor(trunk.low), torch.tensor(trunk.size)
    stages = None
    if trunk.grid[0] == 1:
        most = 32 if trunk.name == 'pointpillars' else 20  # MAX_POINTS_PER_VOXEL
        plane = pillar_plane(state, cloud, low, size, trunk.grid[1:], most)
    else:
        grid = (trunk.grid[0] + 1, *trunk.grid[1:])
        backbone = VoxelBackbone(state, spconv, DETECTORS[trunk.name].residual)
        plane, stages = backbone(*mean_voxels(cloud, low, size, grid, 5 if trunk.columns == 4 else 10))
    seen = bev_backbone(state, plane, trunk.strides, trunk.upsampling, conv_for_no_stride)
    count = trunk.key_points
    return seen, key_points(state, cloud, plane, stages, low, size, count) if count else None


def assert_equal_features(got, expected) -> None:
    for mine, other in zip(got, expected, strict=True):
        if other is None:
            assert mine is None
            continue
        assert float(other.std()) > 1e-2  # neither dead nor constant
        assert mine.shape == other.shape
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=2e-5 * float(other.abs().max()))


@pytest.mark.parametrize(
    ('name', 'spconv', 'conv_for_no_stride'),
    [
        ('second', '1', False),
        ('second', '2', True),
        ('pvrcnn', '2', False),
        ('pointpillars', '2', False),
        ('centerpoint_voxel', '2.0-native', False),
        ('centerpoint_pillar', '2', False),
        ('centerpoint_pillar', '2', True),
    ],
)
def test_both_toolboxes_compute_the_same_of_a_cloud(name, spconv, conv_for_no_stride):
    model, config = detector(name)
    checkpoint, _ = to_openpcdet(
        exported_trunk(model, config), name, 'encoder.pth', spconv, conv_for_no_stride=conv_for_no_stride
    )
    trunk, cloud, state = TRUNKS[name], TRUNKS[name].cloud(), Read(checkpoint['model_state'])
    expected = theirs(state, trunk, cloud, spconv, conv_for_no_stride)
    assert_equal_features(features(model, trunk, cloud), expected)
    assert state.read == {tensor for tensor in state if not tensor.endswith('num_batches_tracked')}


def test_legacy_pillars_compute_the_same_from_coordinates():
    config = TRUNKS['pointpillars'].config()
    model = random_detector(config)
    assert model.voxel_encoder.legacy
    exported = exported_trunk(model, config)
    checkpoint, report = to_openpcdet(exported, 'pointpillars', 'encoder.pth')
    cloud = TRUNKS['pointpillars'].cloud()
    expected = theirs(checkpoint['model_state'], TRUNKS['pointpillars'], cloud)
    assert_equal_features(features(model, TRUNKS['pointpillars'], cloud), expected)
    assert list(report.changed) == ['voxel_encoder.pfn_layers.0.linear.weight']
    # On the way back it is an encoder without legacy, which still gives the same.
    new = TRUNKS['pointpillars'].config(**NEW_PILLARS['pointpillars'])
    back, _ = from_openpcdet(checkpoint, 'pointpillars', new, 'pcdet.pth')
    other = random_detector(new, seed=1)
    other.load_state_dict(back['state_dict'], strict=False)
    assert_equal_features(features(other, TRUNKS['pointpillars'], cloud), expected)
    changed = [
        name for name, tensor in back['state_dict'].items() if not torch.equal(tensor, exported['state_dict'][name])
    ]
    assert changed == ['voxel_encoder.pfn_layers.0.linear.weight']
    with pytest.raises(ExportError, match=r'set model\.voxel_encoder\.legacy=False'):
        from_openpcdet(checkpoint, 'pointpillars', config, 'pcdet.pth')


WAYS = [*((name, '2') for name in DETECTORS), *(('second', spconv) for spconv in LAYOUTS if spconv != '2')]


@pytest.mark.parametrize(('name', 'spconv'), WAYS)
def test_the_way_there_and_back_changes_no_bit(name, spconv):
    model, config = detector(name)
    exported = exported_trunk(model, config)
    checkpoint, there = to_openpcdet(exported, name, 'encoder.pth', spconv)
    back, report = from_openpcdet(checkpoint, name, config, 'pcdet.pth')
    assert list(back['state_dict']) == list(exported['state_dict'])
    for ours, tensor in exported['state_dict'].items():
        assert torch.equal(back['state_dict'][ours], tensor)
        assert back['state_dict'][ours].is_contiguous()
    assert report.stored == spconv
    assert {*there.renamed} == {*exported['state_dict']} == {*report.renamed.values()}
    assert {*there.renamed.values()} | {*there.added} == {*checkpoint['model_state']}
    assert not report.dropped
    provenance = back['meta'][META_KEY]
    assert provenance['trunk'] == exported['meta'][META_KEY]['trunk']
    assert provenance['settings'] == exported['meta'][META_KEY]['settings']
    check_exported(back, 'back.pth')
    metadata = exported['state_dict']._metadata  # without it, spconv would not load its weights
    inside = {module: entry for module, entry in metadata.items() if module.split('.')[0] in provenance['trunk']}
    assert dict(back['state_dict']._metadata) == {'': {}} | inside


def test_biases_of_residual_blocks_move_into_the_running_means():
    """OpenPCDet's own checkpoints have them; mmdet3d's layers do not."""
    name, trunk = 'centerpoint_voxel', TRUNKS['centerpoint_voxel']
    model, config = detector(name)
    checkpoint, report = to_openpcdet(exported_trunk(model, config), name, 'encoder.pth')
    state = checkpoint['model_state']
    assert len(report.added) == 16  # four stages of two blocks of two convolutions
    for bias in report.added:
        assert not state[bias].any()
        state[bias].normal_(0, 0.5)
    exported, back = from_openpcdet(checkpoint, name, config, 'pcdet.pth')
    assert set(back.changed) >= set(report.added)
    other = random_detector(config, seed=1)
    other.load_state_dict(exported['state_dict'], strict=False)
    cloud = trunk.cloud()
    assert_equal_features(features(other, trunk, cloud), theirs(state, trunk, cloud))
    without = {theirs: tensor for theirs, tensor in state.items() if theirs not in report.added}
    assert len(from_openpcdet(dict(model_state=without), name, config, 'x')[0]['state_dict']) == len(report.renamed)


def converted(name: str, **changes: Any) -> dict:
    """A fresh OpenPCDet checkpoint of a detector."""
    model, config = detector(name)
    return to_openpcdet(exported_trunk(model, config), name, 'encoder.pth', **changes)[0]


def test_heads_are_dropped_and_old_files_have_no_counts_of_batches():
    checkpoint = converted('second')
    state = checkpoint['model_state']
    state['global_step'] = torch.tensor([5])
    state['dense_head.conv_cls.weight'] = torch.zeros(2, 2)
    for theirs_ in [name for name in state if name.endswith('num_batches_tracked')]:
        del state[theirs_]
    exported, report = from_openpcdet(checkpoint | dict(epoch=80, it=9), 'second', detector('second')[1], 'a/b.pth')
    assert report.dropped == {
        'global_step': "OpenPCDet's count of steps",
        'dense_head.conv_cls.weight': "the dense head's, which is not pre-trained",
    }
    counts = [tensor for ours, tensor in exported['state_dict'].items() if ours.endswith('num_batches_tracked')]
    assert len(counts) == len(report.added) == 26
    assert not torch.stack(counts).any()
    provenance = exported['meta'][META_KEY]
    assert (provenance['source'], provenance['epoch'], provenance['iter']) == ('b.pth', 80, 9)
    said = str(report)
    assert said.startswith('130 of 132 tensors renamed: backbone 60, neck 10, middle_encoder 60')
    assert '26 added: a count of batches' in said
    assert "1 dropped: the dense head's" in said


def test_a_part_is_converted_if_it_is_asked_for():
    model, config = detector('pvrcnn')
    exported = exported_trunk(model, config, parts=['voxel_encoder', 'middle_encoder'])  # the paper's pre-training
    checkpoint, _ = to_openpcdet(exported, 'pvrcnn', 'encoder.pth')
    with pytest.raises(
        ExportError, match=r'0 tensors are unknown and 175 missing: .*backbone_2d\.blocks\.0\.1\.weight'
    ):
        from_openpcdet(checkpoint, 'pvrcnn', config, 'pcdet.pth')
    back, _ = from_openpcdet(checkpoint, 'pvrcnn', config, 'pcdet.pth', parts=['middle_encoder'])
    assert back['meta'][META_KEY]['trunk'] == ['middle_encoder']
    assert all(torch.equal(back['state_dict'][ours], exported['state_dict'][ours]) for ours in exported['state_dict'])
    whole, report = from_openpcdet(converted('pvrcnn'), 'pvrcnn', config, 'pcdet.pth', parts=['neck'])
    assert {ours.split('.')[0] for ours in whole['state_dict']} == {'neck'}
    assert set(report.dropped.values()) == {'of a part that is not asked for'}
    with pytest.raises(ExportError, match=r'roi_head is not a part of the pvrcnn'):
        from_openpcdet(checkpoint, 'pvrcnn', config, 'pcdet.pth', parts=['roi_head'])


def rename(state: dict, old: str, new: str) -> None:
    state[new] = state.pop(old)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda s: s.update({'backbone_3d.inv_conv4.0.weight': torch.ones(1)}),
            r'1 tensors .*inv_conv4\.0\.weight does',
        ),
        (
            lambda s: s.update({'backbone_2d.blocks.2.1.weight': torch.ones(1)}),
            r'backbone_2d\.blocks\.2\.1\.weight does',
        ),
        (lambda s: s.update({'backbone_2d.blocks.0.1.bias': torch.ones(1)}), r'backbone_2d\.blocks\.0\.1\.bias does'),
        (
            lambda s: s.pop('backbone_2d.deblocks.1.1.running_var'),
            r'1 missing: backbone_2d\.deblocks\.1\.1\.running_var',
        ),
        (lambda s: s.pop('backbone_3d.conv4.2.0.weight'), r'1 missing: backbone_3d\.conv4\.2\.0\.weight'),
        (
            lambda s: rename(s, 'backbone_3d.conv_out.0.weight', 'module.backbone_3d.conv_out.0.weight'),
            r'1 tensors are unknown and 1 missing: module\.backbone_3d\.conv_out\.0\.weight .*; backbone_3d\.conv_out',
        ),
        (
            lambda s: s.update({'backbone_2d.blocks.0.1.weight': torch.ones(128, 256, 1, 1)}),
            r'backbone\.blocks\.0\.0\.weight is torch\.float32 \[128, 256, 1, 1\], not .*\[128, 256, 3, 3\]',
        ),
        (
            lambda s: s.update({'backbone_2d.blocks.0.1.weight': s['backbone_2d.blocks.0.1.weight'].half()}),
            r'backbone\.blocks\.0\.0\.weight is torch\.float16',
        ),
        (lambda s: s['backbone_2d.blocks.1.2.bias'].fill_(torch.nan), r'backbone\.blocks\.1\.1\.bias holds NaN'),
        (
            lambda s: s.update({'backbone_3d.conv3.1.0.weight': torch.ones(3, 3, 3, 64, 32)}),
            r'conv3\.1\.0\.weight of shape \(3, 3, 3, 64, 32\) is not stored as spconv 2 ',
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message):
    checkpoint = converted('second')
    change(checkpoint['model_state'])
    with pytest.raises(ExportError, match=message):
        from_openpcdet(checkpoint, 'second', detector('second')[1], 'pcdet.pth')


def test_a_convolution_in_place_of_a_transposed_one_is_refused_where_its_shape_tells():
    checkpoint = converted('second', conv_for_no_stride=True)
    weight = checkpoint['model_state']['backbone_2d.deblocks.0.0.weight']
    assert tuple(weight.shape) == (256, 128, 1, 1)
    with pytest.raises(ExportError, match=r'neck\.deblocks\.0\.0\.weight is .*\[256, 128, 1, 1\], not'):
        from_openpcdet(checkpoint, 'second', detector('second')[1], 'pcdet.pth')
    back, _ = from_openpcdet(checkpoint, 'second', detector('second')[1], 'pcdet.pth', conv_for_no_stride=True)
    assert torch.equal(back['state_dict']['neck.deblocks.0.0.weight'], weight.transpose(0, 1))


@pytest.mark.parametrize(
    ('name', 'setting', 'value', 'message'),
    [
        ('second', 'middle_encoder.norm_cfg', dict(type='BN1d', eps=1e-5), r'norm_cfg\.eps is 1e-05, and .* 0\.001'),
        ('second', 'neck.norm_cfg', dict(type='BN', eps=1e-5), r'neck\.norm_cfg\.eps'),
        (
            'second',
            'middle_encoder.encoder_paddings',
            ((1,), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
            r'stride 2 by .*1, 1, 1',
        ),
        ('pvrcnn', 'points_encoder.norm_cfg', dict(type='BN2d', eps=1e-3), r'points_encoder\.norm_cfg\.eps'),
        ('pvrcnn', 'points_encoder.rawpoints_sa_cfgs.pool_mod', 'avg', r'pool_mod'),
        ('pointpillars', 'voxel_encoder.mode', 'avg', r'voxel_encoder\.mode'),
    ],
)
def test_settings_that_openpcdet_does_not_have_are_refused_both_ways(name, setting, value, message):
    other = TRUNKS[name].config(**NEW_PILLARS.get(name, {}), **{setting: value})
    with pytest.raises(ExportError, match=message):
        from_openpcdet(dict(model_state={}), name, other, 'pcdet.pth')
    exported = exported_trunk(*detector(name))
    trunk = exported['meta'][META_KEY]['trunk']
    exported['meta'][META_KEY]['settings'] = trunk_settings(other.model, trunk)
    with pytest.raises(ExportError, match=message):
        to_openpcdet(exported, name, 'encoder.pth')


def test_an_encoder_of_another_detector_or_without_settings_is_refused():
    model, config = detector('second')
    exported = exported_trunk(model, config)
    with pytest.raises(ExportError, match=r"not what OpenPCDet's pointpillars computes: voxel_encoder\.type is"):
        to_openpcdet(exported, 'pointpillars', 'encoder.pth')
    others = ('voxel_encoder', 'middle_encoder')
    plane = {key: value for key, value in exported['meta'][META_KEY]['settings'].items() if not key.startswith(others)}
    of_plane = exported | dict(meta={META_KEY: dict(settings=plane)})
    with pytest.raises(ExportError, match='72 of 156 tensors have no name'):
        to_openpcdet(of_plane, 'pointpillars', 'encoder.pth')
    exported['meta'][META_KEY]['settings'] = None
    with pytest.raises(ExportError, match='does not record the settings'):
        to_openpcdet(exported, 'second', 'encoder.pth')
