from __future__ import annotations

import importlib

import numpy as np
import pytest
from depth_data import write_scene
from matplotlib.figure import Figure
from matplotlib.image import imread
from PIL import Image

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.datasets.sources import DepthFrameLister, scannet_sequences

CONFIG = """
default_scope = 'mmdet3d'
custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)
randomness = dict(seed=4)
train_dataloader = dict(
    sampler=dict(type='PairSampler', shuffle=True),
    dataset=dict(
        type='TemporalPairDataset', data_root={root!r}, ann_file='index.json', mode='both', window=2,
        pipeline=[dict(
            type='MultiView',
            load=[dict(type='LoadFrame', coord_type={coord_type!r})],
            augment=[dict(type='PointSample', num_points=30)],
            pack=[dict(type='Pack3DDetInputs', keys=['points'])],
        )],
    ),
)
"""


@pytest.fixture(scope='module')
def tool():
    return importlib.import_module('browse_pairs')


def make_config(folder, coord_type='LIDAR'):
    for i in range(4):
        np.random.default_rng(i).normal(0, 5, (100, 4)).astype(np.float32).tofile(folder / f'{i}.bin')
    write_sequence_index(folder / 'index.json', {'load_dim': 4}, [FrameSequence('s', [f'{i}.bin' for i in range(4)])])
    path = folder / 'config.py'
    path.write_text(CONFIG.format(root=str(folder), coord_type=coord_type))
    return path


@pytest.fixture
def figures(monkeypatch):
    """The figures that are saved."""
    saved = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, 'savefig', lambda self, *args, **kwargs: (saved.append(self), save(self, *args, **kwargs))
    )
    return saved


@pytest.mark.parametrize('coord_type', ['LIDAR', 'DEPTH'])
def test_pictures_show_frames_and_views(tool, tmp_path, figures, coord_type):
    out = tmp_path / 'out/pictures'
    tool.main([str(make_config(tmp_path, coord_type)), '--out', str(out), '--num', '2'])
    pictures = sorted(out.iterdir())
    assert len(pictures) == len(figures) == 2
    for picture, figure in zip(pictures, figures, strict=True):
        pixels = imread(picture)
        assert pixels.ndim == 3
        assert pixels.std() > 0
        titles = [axes.get_title() for axes in figure.axes[:4]]
        assert [title.splitlines()[2] for title in titles[:2]] == ['100 points: 30 kept, 70 dropped'] * 2
        assert [title.splitlines()[0] for title in titles[2:]] == ['view 1: 30 points', 'view 2: 30 points']
        numbers = [title.split('no. ')[1].split(' ')[0] for title in titles[:2]]
        assert len(set(numbers)) == 2
        assert 'seed 4' in figure.get_suptitle()
        assert 'epoch 0' in figure.get_suptitle()


def test_depth_frames_are_shown_as_images_and_their_views_from_above_and_the_side(tool, tmp_path, figures):
    write_scene(tmp_path / 's', range(4))
    write_sequence_index(tmp_path / 'index.json', {}, scannet_sequences(tmp_path, DepthFrameLister()))
    config = CONFIG.replace('coord_type={coord_type!r}', '').replace('LoadFrame', 'LoadDepthFrame')
    (tmp_path / 'config.py').write_text(config.format(root=str(tmp_path)))
    tool.main([str(tmp_path / 'config.py'), '--out', str(tmp_path / 'out'), '--num', '1'])
    (figure,) = figures
    frames = [axes for axes in figure.axes if axes.get_images()]
    assert len(frames) == 2
    for axes in frames:
        number = axes.get_title().split('depth/')[1].split('.png')[0]
        stored = np.asarray(Image.open(tmp_path / f's/depth/{number}.png'))
        np.testing.assert_allclose(axes.get_images()[0].get_array().filled(0), stored / 1000)
        assert f'\n{(stored > 0).sum()} points: ' in axes.get_title()
    assert ['from above' in axes.get_title() for axes in figure.axes if 'view' in axes.get_title()] == [1, 1, 0, 0]


def test_cfg_options_change_what_is_drawn(tool, tmp_path, figures):
    options = ['--cfg-options', 'train_dataloader.dataset.mode=spatial', 'randomness.seed=9']
    tool.main([str(make_config(tmp_path)), '--out', str(tmp_path / 'out'), '--num', '1', *options])
    assert "one frame twice; mode 'spatial'" in figures[0].get_suptitle()
    assert 'seed 9' in figures[0].get_suptitle()


def test_no_more_pictures_than_pairs(tool, tmp_path):
    tool.main([str(make_config(tmp_path)), '--out', str(tmp_path / 'out'), '--num', '99'])
    assert len(list((tmp_path / 'out').iterdir())) == 4


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('train_dataloader.sampler.type=DefaultSampler', 'PairSampler'),
        ('train_dataloader.dataset.pipeline=[]', 'MultiView'),
        ('train_dataloader.dataset.ann_file=nowhere.json', 'create_sequence_index'),
    ],
)
def test_a_wrong_config_is_explained(tool, tmp_path, option, message):
    with pytest.raises(SystemExit, match=message):
        tool.main([str(make_config(tmp_path)), '--out', str(tmp_path / 'out'), '--cfg-options', option])


def test_a_missing_config_is_named(tool, tmp_path):
    with pytest.raises(SystemExit, match=r'no config at .*nowhere\.py'):
        tool.main([str(tmp_path / 'nowhere.py'), '--out', str(tmp_path)])


def test_a_page_of_pairs_instead_of_pictures(tool, tmp_path, capsys):
    tool.main([str(make_config(tmp_path)), '--out', str(tmp_path / 'out'), '--num', '2', '--html'])
    (page,) = (tmp_path / 'out').iterdir()
    assert page.name == 'pairs.html'
    assert page.read_text().count('<canvas') == 2 * 4
    assert f'2 pairs in {page}' in capsys.readouterr().out


@pytest.mark.parametrize('number', ['0', '-1'])
def test_a_number_of_pairs_below_1_is_refused(number, capsys):
    with pytest.raises(SystemExit, match='2'):
        importlib.import_module('browse_pairs').parse_args(['config.py', '--out', 'pairs', '--num', number])
    assert '--num must be at least 1' in capsys.readouterr().err
