"""Pictures of pairs: what they show of frames and views, of clouds, depth images and shapes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from depth_data import depth_image, write_scene
from made_sequences import write_drive
from matplotlib import rc_context
from matplotlib.colors import to_rgba
from matplotlib.text import Text
from PIL import Image
from scipy.spatial import cKDTree
from small_pairs import config_of, write_clouds

from strl_mmdet3d.datasets import FrameSequence, PairKey, write_sequence_index
from strl_mmdet3d.datasets.sources import DepthFrameLister, scannet_sequences
from strl_mmdet3d.evaluation.figure_style import FATE_COLOURS
from strl_mmdet3d.evaluation.figure_text import one_line, save_picture
from strl_mmdet3d.evaluation.pair_figure import depth_in_metres, draw_pair, shown_limits
from strl_mmdet3d.evaluation.projection import FROM_ABOVE, OBLIQUELY
from strl_mmdet3d.evaluation.traced_pair import build_traced_dataset

RANGE = [0, -30, -3, 30, 30, 1]


def write_shapes(root):
    points = np.random.default_rng(0).normal(size=(3, 60, 3)) * [0.2, 0.9, 0.1]
    np.savez(root / 'shapes.npz', points=points.astype(np.float32))
    shapes = [FrameSequence(f's{n}', [f'shapes.npz/{n:06d}']) for n in range(3)]
    write_sequence_index(root / 'index.json', dict(source='shapes'), shapes)


def drawn(config, index=1):
    dataset, _, tracer = build_traced_dataset(config)
    figure = draw_pair(dataset, PairKey(seed=4, epoch=2, index=index), tracer)
    figure.draw_without_rendering()
    return figure, tracer.traces[-2:]


def titled(figure):
    return [axes for axes in figure.axes if axes.get_title()]


@pytest.mark.parametrize(('coord_type', 'projection'), [('LIDAR', FROM_ABOVE), ('DEPTH', OBLIQUELY)])
def test_clouds_are_drawn_as_frames_above_and_views_below(tmp_path, coord_type, projection):
    write_clouds(tmp_path)
    figure, traces = drawn(config_of(tmp_path, dict(type='LoadFrame', coord_type=coord_type)))
    panels = titled(figure)
    for number, (axes, trace) in enumerate(zip(panels[:2], traces, strict=True), start=1):
        frame = int(axes.get_title().split('(no. ')[1].split(' ')[0])
        assert axes.get_title() == (
            f'frame {number} (no. {frame} of its sequence)\n{frame}.bin\n'
            f'{100 + frame} points: 30 kept, {70 + frame} dropped'
        )
        colours = {points.get_facecolor()[0].tobytes(): len(points.get_offsets()) for points in axes.collections}
        assert colours[np.array(to_rgba(FATE_COLOURS['kept'])).tobytes()] <= 30
        places = np.concatenate([points.get_offsets() for points in axes.collections])
        assert len(places) > 90
        assert cKDTree(projection.apply(trace.coords)[:, :2]).query(places)[0].max() < 1e-4
    for axes, view in zip(panels[2:], (1, 2), strict=True):
        title = axes.get_title()
        assert title.startswith(f'view {view}: 30 points\n')
        done = title.replace('\n', ' ')
        assert any(f'PointSample removed {70 + n} of {100 + n} points' in done for n in range(4))
    assert 'item 1, epoch 2, seed 4' in figure.get_suptitle()
    assert 'apart, not aligned' in figure.get_suptitle()


def test_a_scan_shows_its_sensor_and_the_whole_range_and_a_view_fills_its_panel(tmp_path):
    write_drive(tmp_path)
    flip = dict(type='RandomFlip3D', flip_ratio_bev_horizontal=1.0)
    config = config_of(tmp_path, dict(type='LoadFrame'), [flip], align_poses=True, point_cloud_range=RANGE)
    figure, traces = drawn(config, 3)
    panels = titled(figure)
    for axes in panels[:2]:
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        assert left < RANGE[0] and right > RANGE[3]  # noqa: PT018
        assert low < RANGE[1] and high > RANGE[4]  # noqa: PT018
        assert [patch.get_bbox().bounds for patch in axes.patches] == [(0, -30, 30, 60)]
    for axes, sensor in zip(panels, [*(t.sensor for t in traces), *(t.sensor_in_view for t in traces)], strict=True):
        (cross,) = axes.lines
        assert cross.get_xydata().tolist() == [pytest.approx(sensor[:2])]
    for axes in panels[2:]:
        places = axes.collections[0].get_offsets()
        width = axes.get_xlim()[1] - axes.get_xlim()[0]
        assert np.ptp(places[:, 0]) > 0.85 * width
        assert 'RandomFlip3D mirrored y' in axes.get_title().replace('\n', ' ')
        assert axes.get_xlabel() == 'x [m]'
    assert 'm apart, aligned' in figure.get_suptitle()
    assert ' s, ' in figure.get_suptitle()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {'kept', 'out of range', 'sensor', 'range (point_cloud_range)'} <= set(names)


def test_the_legend_covers_no_panel(tmp_path):
    write_drive(tmp_path)
    figure, _ = drawn(config_of(tmp_path, dict(type='LoadFrame'), [], point_cloud_range=RANGE))
    box = figure.legends[0].get_window_extent()
    assert all(box.y1 <= axes.get_window_extent().y0 for axes in figure.axes)


def test_shapes_have_no_unit_no_sensor_and_all_points_of_all_views_are_inside(tmp_path):
    write_shapes(tmp_path)
    turn = dict(type='RandomRotatePoints', max_angle=3.0, prob=1.0)
    pack = [dict(type='DownSamplePoints', num_points=20), dict(type='Pack3DDetInputs', keys=['points'])]
    local = [dict(type='RandomCropPoints', volume=(0.3, 0.6), min_points=5, prob=1.0), *pack]
    views = dict(pack=pack, num_local=3, local=local)
    figure, traces = drawn(config_of(tmp_path, dict(type='LoadShape'), [turn], views, mode='spatial'))
    panels = titled(figure)
    titles = [axes.get_title().split('\n')[0] for axes in panels]
    assert titles[2:] == [
        'view 1: 20 points',
        'view 2: 20 points',
        'local 1 of frame 1: 20 points',
        'local 2 of frame 2: 20 points',
        'local 3 of frame 1: 20 points',
    ]
    assert 'RandomCropPoints removed' in panels[4].get_title()
    assert [len(trace.locals) for trace in traces] == [2, 1]
    for axes, number in zip(panels, [60, 60, *[20] * 5], strict=True):
        places = np.concatenate([points.get_offsets() for points in axes.collections])
        assert len(places) == number
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        assert ((places > [left, low]) & (places < [right, high])).all()
        assert not axes.lines
    texts = ' '.join(text.get_text() for text in figure.findobj(Text))
    assert '[m]' not in texts
    assert ' m;' not in texts
    assert 'one frame twice' in texts
    assert 'arrows: 0.' in texts


@pytest.mark.parametrize('user_settings', [{}, {'text.usetex': True}])
@pytest.mark.parametrize('name', [r'$x_{$ $\input{/etc/passwd}$', '{0}%s \N{GRINNING FACE} \u05d0\u65e5'])
def test_names_are_shown_as_they_are(tmp_path, name, user_settings, recwarn):
    write_clouds(tmp_path, name, f'{name}.bin'.replace('/', ''))
    dataset, _, tracer = build_traced_dataset(config_of(tmp_path, dict(type='LoadFrame')))
    with rc_context(user_settings):
        figure = draw_pair(dataset, PairKey(seed=0, epoch=0, index=0), tracer)
    assert figure.get_suptitle().startswith(f'{name}: ')
    assert name.replace('/', '') in figure.axes[0].get_title()
    texts = [text for text in figure.findobj(Text) if name.replace('/', '') in text.get_text().replace('/', '')]
    assert len(texts) == 3
    for text in texts:
        assert not text.get_usetex()
        assert not text.get_parse_math()
    save_picture(figure, io.BytesIO(), 10)
    assert not [warning for warning in recwarn if 'Glyph' in str(warning.message)]


def test_a_long_name_is_cut_in_its_middle(tmp_path):
    write_clouds(tmp_path, 'a' * 2000 + 'b' * 2000)
    title = drawn(config_of(tmp_path, dict(type='LoadFrame')))[0].get_suptitle()
    assert title.startswith('a' * 50 + '\N{HORIZONTAL ELLIPSIS}' + 'b' * 50 + ': ')
    assert one_line('a\nb\x1b\ud800') == 'a\N{REPLACEMENT CHARACTER}b' + '\N{REPLACEMENT CHARACTER}' * 2


def test_depth_frames_are_drawn_in_metres_and_a_wrong_pixel_keeps_the_colours(tmp_path):
    write_scene(tmp_path / 's', range(4))
    for number in range(4):
        image = depth_image(number)
        image[5, 5] = 60_000
        Image.fromarray(image).save(tmp_path / f's/depth/{number:06d}.png')
    write_sequence_index(
        tmp_path / 'index.json', dict(depth_scale=500), scannet_sequences(tmp_path, DepthFrameLister())
    )
    figure, traces = drawn(config_of(tmp_path, dict(type='LoadDepthFrame')))
    panels = titled(figure)
    assert [len(axes.get_images()) for axes in panels] == [1, 1, 0, 0, 0, 0]
    assert [axes.get_title().split('\n')[0] for axes in panels[2:]] == [
        'view 1 from above: 30 points',
        'view 2 from above: 30 points',
        'view 1 from the side: 30 points',
        'view 2 from the side: 30 points',
    ]
    for axes, trace in zip(panels[:2], traces, strict=True):
        shown = axes.get_images()[0]
        metres = depth_in_metres(trace)
        np.testing.assert_array_equal(shown.get_array().filled(0), metres.filled(0))
        assert metres[5, 5] == 120
        assert shown.get_clim()[1] < 9
        unseen = metres.mask.mean()
        assert f'nothing seen in {unseen:.1%} of the pixels (grey)' in axes.get_title()
    labels = {axes.get_ylabel() for axes in figure.axes}
    assert {'depth [m]', 'z of the views [m]', 'y [m]', 'z [m]'} <= labels


def test_limits_hold_nearly_all_points_and_leave_far_ones_out():
    cloud = np.random.default_rng(0).uniform(0, 10, (5000, 3))
    cloud[0] = 1000
    lower, upper = shown_limits([cloud, cloud + np.array([10, 0, 0])], 99)
    np.testing.assert_allclose(lower, [-0.6, -0.3], atol=0.2)
    np.testing.assert_allclose(upper, [20.6, 10.3], atol=0.2)
    lower, upper = shown_limits([np.ones((2, 3))], 100)
    assert (lower < 1).all() and (upper > 1).all()  # noqa: PT018
