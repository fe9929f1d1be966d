"""Pictures of pairs: the raw frames and the views, of clouds and of depth images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from depth_data import write_scene
from matplotlib import rc_context
from matplotlib.text import Text
from mmengine.config import Config

from strl_mmdet3d.datasets import FrameSequence, PairKey, write_sequence_index
from strl_mmdet3d.datasets.sources import DepthFrameLister, scannet_sequences
from strl_mmdet3d.evaluation.figure_text import one_line, save_picture
from strl_mmdet3d.evaluation.pair_figure import build_recorded_dataset, draw_pair, shown_limits


def config_of(root, load, **changes):
    view = dict(type='MultiView', load=[load], augment=[dict(type='PointSample', num_points=30)])
    dataset = dict(type='TemporalPairDataset', data_root=str(root), ann_file='index.json', window=2, pipeline=[view])
    loader = dict(dataset=dataset, sampler=dict(type='PairSampler')) | changes
    return Config(dict(train_dataloader=loader, randomness=dict(seed=4)))


def write_clouds(root, sequence_id='s', suffix='.bin'):
    names = [f'{i}{suffix}' for i in range(4)]
    for i, name in enumerate(names):
        np.random.default_rng(i).normal(0, 5, (100 + i, 4)).astype(np.float32).tofile(root / name)
    write_sequence_index(root / 'index.json', {'load_dim': 4}, [FrameSequence(sequence_id, names)])


@pytest.mark.parametrize(('coord_type', 'projection'), [('LIDAR', 'rectilinear'), ('DEPTH', '3d')])
def test_clouds_are_drawn_as_frames_above_and_views_below(tmp_path, coord_type, projection):
    write_clouds(tmp_path)
    dataset, sampler, recorder = build_recorded_dataset(
        config_of(tmp_path, dict(type='LoadFrame', coord_type=coord_type))
    )
    assert sampler.seed == 4
    figure = draw_pair(dataset, PairKey(seed=4, epoch=2, index=1), recorder)
    panels = figure.axes[:4]
    assert {axes.name for axes in panels} == {projection}
    for axes, frame in zip(panels[:2], recorder.frames[-2:], strict=True):
        number = int(axes.get_title().split(':')[0].removeprefix('frame '))
        assert axes.get_title() == f'frame {number}: {number}.bin\n{100 + number} points'
        assert len(frame.points) == 100 + number
    assert [axes.get_title() for axes in panels[2:]] == ['view 1\n30 points', 'view 2\n30 points']
    assert 'item 1, epoch 2, seed 4' in figure.get_suptitle()
    figure.savefig(io.BytesIO(), format='png', dpi=20)


@pytest.mark.parametrize('user_settings', [{}, {'text.usetex': True}])
@pytest.mark.parametrize('name', [r'$x_{$ $\input{/etc/passwd}$', '{0}%s \N{GRINNING FACE} \u05d0\u65e5'])
def test_names_are_shown_as_they_are(tmp_path, name, user_settings, recwarn):
    write_clouds(tmp_path, name, f'{name}.bin'.replace('/', ''))
    dataset, _, recorder = build_recorded_dataset(config_of(tmp_path, dict(type='LoadFrame')))
    with rc_context(user_settings):
        figure = draw_pair(dataset, PairKey(seed=0, epoch=0, index=0), recorder)
    assert figure.get_suptitle().startswith(f'{name}: item 0')
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
    dataset, _, recorder = build_recorded_dataset(config_of(tmp_path, dict(type='LoadFrame')))
    title = draw_pair(dataset, PairKey(seed=0, epoch=0, index=0), recorder).get_suptitle()
    assert title.startswith('a' * 50 + '\N{HORIZONTAL ELLIPSIS}' + 'b' * 50 + ': item')
    assert one_line('a\nb\x1b\ud800') == 'a\N{REPLACEMENT CHARACTER}b' + '\N{REPLACEMENT CHARACTER}' * 2


def test_pairs_of_several_sources_are_drawn(tmp_path):
    for name in 'ab':
        (tmp_path / name).mkdir()
        write_clouds(tmp_path / name)
    parts = [config_of(tmp_path / name, dict(type='LoadFrame')).train_dataloader.dataset for name in 'ab']
    parts[1] = dict(type='RepeatDataset', times=2, dataset=dict(parts[1], mode='spatial'))
    config = config_of(tmp_path, None, dataset=dict(type='ConcatDataset', datasets=parts))
    dataset, sampler, recorder = build_recorded_dataset(config)
    assert len(sampler) == 12
    for key in (PairKey(0, 0, 1), PairKey(0, 0, 11)):
        figure = draw_pair(dataset, key, recorder)
        assert "mode 'both or spatial'" in figure.get_suptitle()
    assert len(recorder.frames) == 4


def test_depth_frames_are_drawn_as_images_and_two_projections(tmp_path):
    write_scene(tmp_path / 's', range(4))
    write_sequence_index(tmp_path / 'index.json', {}, scannet_sequences(tmp_path, DepthFrameLister()))
    dataset, sampler, recorder = build_recorded_dataset(config_of(tmp_path, dict(type='LoadDepthFrame')))
    figure = draw_pair(dataset, next(iter(sampler)), recorder)
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert len(panels) == 6
    assert [len(axes.get_images()) for axes in panels] == [1, 1, 0, 0, 0, 0]
    assert ['above' in axes.get_title() for axes in panels] == [False, False, True, True, False, False]


def test_limits_hold_nearly_all_points_and_leave_far_ones_out():
    cloud = np.random.default_rng(0).uniform(0, 10, (5000, 3))
    cloud[0] = 1000
    lower, upper = shown_limits([cloud, cloud + np.array([10, 0, 0])])
    np.testing.assert_allclose(lower, [-2, -1, -1], atol=0.2)
    np.testing.assert_allclose(upper, [22, 11, 11], atol=0.2)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [(dict(sampler=dict(type='DefaultSampler')), 'PairSampler'), (None, 'MultiView')],
)
def test_a_config_of_something_else_is_refused(tmp_path, changes, message):
    write_clouds(tmp_path)
    config = config_of(tmp_path, dict(type='LoadFrame'), **changes or {})
    if changes is None:
        config.train_dataloader.dataset.pipeline = []
    with pytest.raises(ValueError, match=message):
        build_recorded_dataset(config)
