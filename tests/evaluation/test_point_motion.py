"""What a transform did to a cloud is measured right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from strl_mmdet3d.evaluation.point_motion import fit_motion

CLOUD = np.random.default_rng(0).normal(size=(200, 3)) * [10, 5, 1]


@given(
    st.tuples(*[st.floats(-3, 3)] * 3), st.floats(0.5, 2), st.tuples(*[st.floats(-9, 9)] * 3), st.sampled_from([1, -1])
)
def test_a_similarity_is_found_again(vector, scale, shift, side):
    matrix = Rotation.from_rotvec(vector).as_matrix() @ np.diag([1, side, 1])
    after = scale * CLOUD @ matrix.T + shift
    motion = fit_motion(CLOUD, after)
    if motion is None:
        np.testing.assert_allclose(after, CLOUD, atol=1e-5)
        return
    np.testing.assert_allclose(motion.matrix, matrix, atol=1e-6)
    np.testing.assert_allclose(motion.apply(CLOUD), after, atol=1e-6)
    assert motion.scale == pytest.approx(scale)
    assert motion.rest < 1e-6


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda cloud: cloud * [1, -1, 1], ['mirrored y']),
        (lambda cloud: cloud * [-1, 1, 1], ['mirrored x']),
        (lambda cloud: cloud * 1.25, ['scaled by 1.250']),
        (lambda cloud: cloud - np.array([-1, 0, 2]), ['shifted by (1, 0, -2) m']),
        (lambda cloud: Rotation.from_euler('z', -30, degrees=True).apply(cloud), ['turned by -30.00 degrees about z']),
        (
            lambda cloud: Rotation.from_euler('x', 90, degrees=True).apply(cloud),
            ['turned by 90.00 degrees about (1, 0, 0)'],
        ),
        (lambda cloud: cloud + 0.1 * np.sign(np.sin(1e5 * cloud)), ['each point moved by 0.1']),
    ],
)
def test_a_motion_is_said_in_words(change, words):
    said = fit_motion(CLOUD, change(CLOUD)).words()
    assert len(said) == len(words) or words[0].startswith('each')
    assert said[-1].startswith(words[-1])


def test_points_that_stay_or_are_too_few_have_no_motion():
    assert fit_motion(CLOUD, CLOUD) is None
    assert fit_motion(CLOUD[:3], CLOUD[:3] + 1) is None
    same = np.ones((9, 3))
    assert fit_motion(same, same + 1).words() == ['shifted by (1, 1, 1) m']
