"""The pictures of frames: nothing is cut off by long names, and the view from above fills its width."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip('matplotlib')

from strl_mmdet3d.evaluation.pair_overlap import AS_GIVEN, Overlap
from strl_mmdet3d.evaluation.sequence_figures import draw_frame, draw_overlap
from strl_mmdet3d.evaluation.sequence_survey import ExamplePair, Survey

LONG = '2030_01_01/2030_01_01_drive_0002_sync/velodyne_points/data/0000000004.bin'


def cloud(width, depth):
    return np.random.default_rng(0).uniform([-width, -depth, -2], [width, depth, 1], (500, 3)).astype(np.float32)


def test_both_frames_are_named_within_the_picture():
    overlap = Overlap((LONG, LONG.replace('04.bin', '06.bin')), 2.07, 0.28, {AS_GIVEN: 0.55})
    figure = draw_overlap(ExamplePair(overlap, (cloud(40, 40), cloud(40, 40)), (np.eye(4), np.eye(4))))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        LONG,
        LONG.replace('04.bin', '06.bin, from a place 2.07 m away'),
    ]
    extent = legend.get_window_extent()
    assert 0 <= extent.x0 <= extent.x1 <= figure.bbox.x1
    assert 0 <= extent.y0 <= extent.y1 <= figure.axes[0].xaxis.label.get_window_extent().y0


@pytest.mark.parametrize(('width', 'depth'), [(60, 40), (40, 40), (60, 25)])
def test_the_view_from_above_is_as_wide_as_the_one_from_the_side(width, depth, monkeypatch):
    survey = Survey.__new__(Survey)
    vars(survey).update(
        example=cloud(width, depth), point_cloud_range=None, frames=[type('Facts', (), dict(path=LONG))]
    )
    monkeypatch.setattr('strl_mmdet3d.evaluation.sequence_figures.ground_z', lambda frames: None)
    figure = draw_frame(survey)
    figure.draw_without_rendering()
    above, side, _ = figure.axes
    assert above.get_window_extent().width > 0.9 * side.get_window_extent().width
    title = above.title.get_window_extent()
    assert 0 <= title.x0 <= title.x1 <= figure.bbox.x1
