from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.evaluation.projection import FROM_ABOVE, FROM_THE_SIDE, OBLIQUELY


@pytest.mark.parametrize('projection', [FROM_ABOVE, FROM_THE_SIDE, OBLIQUELY])
def test_directions_are_of_a_right_handed_frame(projection):
    np.testing.assert_allclose(projection.axes @ projection.axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(projection.axes) == pytest.approx(1)


def test_what_is_up_and_near_is_so():
    place = np.array([[1.0, 2, 3]])
    assert FROM_ABOVE.apply(place).tolist() == [[1, 2, 3]]
    assert FROM_THE_SIDE.apply(place).tolist() == [[1, 3, -2]]
    upwards = OBLIQUELY.apply(np.array([[0.0, 0, 1]]))[0]
    assert upwards == pytest.approx([0, np.cos(np.radians(25)), np.sin(np.radians(25))])
    eye = OBLIQUELY.axes[2]
    assert eye == pytest.approx(
        [np.cos(np.radians(25)) / 2, -np.cos(np.radians(25)) * np.sqrt(0.75), 0.42262], abs=1e-5
    )
