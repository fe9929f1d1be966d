"""A region's vector is the feature at its place, along both axes: by hand, and in whole detectors."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import RANGE, pair_batch, tiny_detector
from tiny_regions import batch_with_regions

from strl_mmdet3d.errors import ConfigError, ConfigKeyError
from strl_mmdet3d.models import BEVRegions, DetectorEncoder, PairDataPreprocessor, PointRegions
from strl_mmdet3d.models.regions import RegionContext

# 16 m along x in 8 columns of 2 m, and 12 m along y in 4 rows of 3 m.
PLANE_RANGE = [0, -6, -3, 16, 6, 1]


def read_plane(plane, *regions):
    return BEVRegions()(plane, RegionContext(regions, None, PLANE_RANGE))


def centre(row, column):
    return torch.tensor([[2 * column + 1.0, -6 + 3 * row + 1.5, 0.3]])


@pytest.mark.parametrize('row', range(4))
@pytest.mark.parametrize('column', range(8))
def test_a_marked_cell_is_read_at_its_centre_and_nowhere_else(row, column):
    plane = torch.zeros(2, 1, 4, 8)
    plane[1, 0, row, column] = 1
    others = torch.cat([centre(r, c) for r in range(4) for c in range(8)])
    expected = torch.zeros(64, 1)
    expected[32 + 8 * row + column] = 1
    torch.testing.assert_close(read_plane(plane, others, others), expected)


@given(x=st.floats(0.01, 15.99), y=st.floats(-5.99, 5.99))
def test_a_plane_of_coordinates_is_read_as_the_coordinates(x, y):
    """Between the centres of cells, the reading is exact; in the outer half of a border cell, it is off by as much."""
    columns, rows = torch.meshgrid(torch.arange(8) * 2 + 1.0, torch.arange(4) * 3 - 4.5, indexing='xy')
    read = read_plane(torch.stack([columns, rows])[None], torch.tensor([[x, y, 0.0]]))[0]
    expected = [min(max(x, 1), 15), min(max(y, -4.5), 4.5)]
    torch.testing.assert_close(read, torch.tensor(expected), atol=1e-4, rtol=0)


def test_regions_come_in_the_order_of_clouds_and_regions_however_many_a_cloud_has():
    plane = torch.arange(3.0)[:, None, None, None] * 10 + torch.arange(8.0)  # the cloud's number and the column
    plane = plane.expand(3, 1, 4, 8)
    regions = [torch.cat([centre(0, column) for column in columns]) for columns in ([1, 5, 2], [7], [0, 3])]
    assert read_plane(plane, *regions).flatten().tolist() == [1, 5, 2, 17, 20, 23]


def test_the_gradient_reaches_the_cells_read_alone():
    plane = torch.randn(2, 3, 4, 8, requires_grad=True)
    read_plane(plane, centre(1, 2), torch.cat([centre(0, 0), centre(3, 7)])).sum().backward()
    assert sorted(tuple(cell) for cell in plane.grad.sum(1).nonzero().tolist()) == [(0, 1, 2), (1, 0, 0), (1, 3, 7)]


def test_half_precision_is_read_at_full_precision_places():
    plane = torch.arange(8.0).expand(1, 1, 4, 8).to(torch.bfloat16)
    read = read_plane(plane, torch.tensor([[8.125, 0, 0]]))
    assert read.item() == pytest.approx(3.5625)


def bev_encoder(**changes):
    config = dict(detector=tiny_detector(), trunk=['voxel_encoder', 'middle_encoder'], pool=dict(type='BEVRegions'))
    return DetectorEncoder(**config | changes)


@given(x=st.floats(0.5, 15.4), y=st.floats(-7.5, 7.4))
def test_an_object_is_read_where_it_stands(x, y):
    """The only points of a cloud fill one pillar of PointPillars' own canvas, 0.5 x 0.5 m."""
    encoder = bev_encoder()
    pillar = torch.tensor([x, y, -1.0]).div(0.5).floor() * 0.5 + 0.25
    cloud = torch.cat([pillar + torch.rand(8, 3) * 0.4 - 0.2, torch.rand(8, 1)], dim=1)
    preprocess = PairDataPreprocessor(encoder.data_preprocessor)
    inputs = preprocess.detector(dict(inputs=dict(points=[cloud]), data_samples=None), True)['inputs']
    offsets = torch.tensor([[0, 0], [0.55, 0], [-0.55, 0], [0, 0.55], [0, -0.55]])
    places = torch.cat([pillar[:2] + offsets, torch.zeros(5, 1)], dim=1)
    read = encoder.train()(dict(inputs, regions=[places])).detach().abs().sum(1)
    assert read[0] > 0
    assert not read[1:].any()


def points_context(regions, places):
    return RegionContext(regions, dict(seeds=[places]), None)


def test_points_are_read_by_hand():
    places = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [5, 0, 0]], [[0, 0, 0], [0, 1, 0], [0, 0, 1]]])
    feature = torch.tensor([[[1.0, 2, 3]], [[10, 20, 30]]])
    regions = [torch.tensor([[0.4, 0, 0], [4.0, 0, 0]]), torch.tensor([[0, 0.9, 0.9]])]
    nearest = PointRegions('seeds.0', radius=0)(feature, points_context(regions, places))
    assert nearest.flatten().tolist() == [1, 3, 25]  # two are as near
    ball = PointRegions('seeds.0', radius=0.7)(feature, points_context(regions, places))
    assert ball.flatten().tolist() == pytest.approx([1.5, 3, 25])


def test_key_points_with_the_number_of_their_cloud_are_read_too():
    places, feature = torch.randn(2, 6, 3), torch.randn(2, 4, 6)
    regions = [torch.randn(3, 3), torch.randn(1, 3)]
    numbered = torch.cat([torch.arange(2.0).repeat_interleave(6)[:, None], places.flatten(0, 1)], dim=1)
    pool = PointRegions('seeds.0', radius=0.5)
    expected = pool(feature, points_context(regions, places))
    assert expected.shape == (4, 4)
    flat = feature.transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(pool(flat, points_context(regions, numbered)), expected)


def test_key_points_are_read_by_the_cloud_that_each_states():
    """Not by equal parts: the first cloud has 30 of 40, in any order."""
    clouds = torch.cat([torch.zeros(30), torch.ones(10)])[torch.randperm(40)]
    places, feature = torch.randn(40, 3), torch.randn(40, 4)
    context = points_context([torch.randn(3, 3), torch.randn(1, 3)], torch.cat([clouds[:, None], places], dim=1))
    pool = PointRegions('seeds.0', radius=0.5)
    read = pool(feature, context)
    for number, (regions, rows) in enumerate(zip(context.regions, read.split([3, 1]), strict=True)):
        mine = clouds == number
        torch.testing.assert_close(rows, pool.weights(regions, places[mine]) @ feature[mine])
    with pytest.raises(ConfigError, match=r'\(2, 4, 20\).*for 2 clouds'):
        pool(torch.randn(2, 4, 20), context)
    with pytest.raises(ConfigError, match='cloud 2 of the batch has no point'):
        pool(feature, context._replace(regions=[torch.zeros(1, 3)] * 3))


def test_a_plane_of_another_number_of_clouds_is_refused():
    with pytest.raises(ConfigError, match='holds 1 clouds, the batch 2'):
        read_plane(torch.zeros(1, 1, 4, 8), torch.zeros(1, 3), torch.zeros(1, 3))


def test_what_is_no_plane_and_what_are_no_points_is_named():
    regions = [torch.zeros(1, 3)]
    with pytest.raises(ConfigError, match=r'names a tensor \(1, 4, 6\): name a plane'):
        BEVRegions()(torch.zeros(1, 4, 6), RegionContext(regions, None, PLANE_RANGE))
    with pytest.raises(ConfigError, match='names a dict: name a plane'):
        BEVRegions()({}, RegionContext(regions, None, PLANE_RANGE))
    with pytest.raises(ConfigError, match='voxel_layer, which has none: read points by PointRegions'):
        BEVRegions()(torch.zeros(1, 1, 4, 8), RegionContext(regions, None, None))
    for feature, places in (
        (torch.zeros(1, 4, 6, 2), torch.zeros(1, 6, 3)),
        (torch.zeros(1, 4, 6), torch.zeros(1, 5, 3)),
    ):
        with pytest.raises(ConfigError, match=r"places='seeds\.0' a tensor"):
            PointRegions('seeds.0')(feature, points_context(regions, places))
    with pytest.raises(ConfigError, match='radius must not be negative'):
        PointRegions('seeds.0', radius=-1)


def test_the_preprocessor_hands_the_places_to_the_encoder():
    encoder = bev_encoder(trunk=None, feature='0')
    batch = batch_with_regions()
    inputs = PairDataPreprocessor(encoder.data_preprocessor)(dict(view_1=batch, view_2=batch), True)['view_1']
    assert [len(places) for places in inputs['regions']] == [3, 1, 2]
    for places, cloud in zip(inputs['regions'], batch['inputs']['points'], strict=True):
        assert torch.equal(places, cloud[: len(places), :3])
    vectors = encoder.train()(inputs)
    assert vectors.shape == (6, 16)
    plane = encoder.detector.extract_feat(dict(inputs, voxels=dict(inputs['voxels'])))[0]
    assert plane.shape == (3, 16, 16, 16)


def test_without_regions_a_cloud_is_encoded_whole_for_probes_and_refused_for_training():
    encoder, pooled = bev_encoder(trunk=None, feature='0').eval(), DetectorEncoder(tiny_detector(), feature='0').eval()
    pooled.load_state_dict(encoder.state_dict())
    inputs = encoder.data_preprocessor(pair_batch(2)['view_1'], False)['inputs']
    torch.testing.assert_close(encoder(inputs), pooled(inputs))
    with pytest.raises(ConfigError, match=r"pair=\[dict\(type='DrawRegions'\)\]"):
        encoder.train()(inputs)


def test_reading_regions_adds_no_tensor_to_the_encoder():
    pooled = DetectorEncoder(tiny_detector(), feature='0')
    for pool in (dict(type='BEVRegions'), dict(type='PointRegions', places='fp_xyz.-1')):
        assert list(DetectorEncoder(tiny_detector(), feature='0', pool=pool).state_dict()) == list(pooled.state_dict())
    assert DetectorEncoder(tiny_detector(), pool=dict(type='BEVRegions')).point_cloud_range == RANGE


@pytest.mark.parametrize('pool', [dict(type='BEVRegion'), dict(type='PointRegions'), dict(type='BEVRegions', radius=1)])
def test_a_reader_of_regions_that_cannot_be_built_is_named(pool):
    with pytest.raises(ConfigKeyError, match=rf"pool=dict\(type='{pool['type']}', \.\.\.\) could not be built: .+"):
        DetectorEncoder(tiny_detector(), pool=pool)


def test_points_are_read_in_float32_under_autocast():
    places = torch.rand(2, 50, 3) * 10
    regions = [places[0, :4], places[1, :4]]
    context = RegionContext(regions, dict(places=places), None)
    features, read = torch.randn(2, 8, 50), PointRegions(places='places', radius=3.0)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = read(features, context)
    torch.testing.assert_close(found, read(features, context), rtol=0, atol=0)
