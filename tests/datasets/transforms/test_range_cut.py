"""The cut to the range keeps what mmdetection3d's own filter keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mmdet3d.datasets.transforms import PointsRangeFilter
from mmdet3d.structures import LiDARPoints

from strl_mmdet3d.datasets.transforms.range_cut import cut_to_range

RANGE = [0, -40, -3, 70.4, 40, 1]
# Values on the faces, and their neighbours, are as likely as others.
faces = [np.nextafter(np.float32(face), np.float32(side)) for face in RANGE for side in (face, -np.inf, np.inf)]
values = st.one_of(st.sampled_from([float(face) for face in faces]), st.floats(-100, 100, width=32))


@settings(max_examples=300, deadline=None)
@given(cloud=hnp.arrays(np.float32, st.tuples(st.integers(0, 30), st.just(4)), elements=values))
def test_the_stock_filter_keeps_the_same(cloud):
    points = LiDARPoints(torch.from_numpy(cloud), points_dim=4, attribute_dims=dict(intensity=3))
    stock = PointsRangeFilter(RANGE).transform(dict(points=points.clone()))['points']
    ours = cut_to_range(points, RANGE)
    assert torch.equal(ours.tensor, stock.tensor)
    assert type(ours) is LiDARPoints
    assert ours.attribute_dims == stock.attribute_dims


def test_a_range_of_other_than_six_values_is_refused():
    with pytest.raises(ValueError, match='six values'):
        cut_to_range(LiDARPoints(torch.zeros(1, 3)), [0, 0, 1, 1])
