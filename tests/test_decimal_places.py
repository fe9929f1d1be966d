"""Decimal places: per cent with one, numbers up to 1 with three, and KITTI's are per cent however small."""

from __future__ import annotations

import pytest

from strl_mmdet3d.decimal_places import decimal_places


@pytest.mark.parametrize(
    ('metric', 'values', 'places'),
    [
        ('mAP_0.25', [0.2, 1.0], 3),
        ('mAP_0.25', [0.2, 1.1], 1),
        ('mAP_0.25', [], 1),
        ('KITTI/Overall', [0.2, 0.4], 1),
    ],
)
def test_small_numbers_get_three_places(metric, values, places):
    assert decimal_places(metric, values) == places
