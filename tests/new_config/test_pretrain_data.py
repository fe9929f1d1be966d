"""Data by name, and what a sequence index declares."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.new_config.pretrain_data import DATA_SETS, choose_data

SCANS = dict(load_dim=5, columns=['x', 'y', 'z', 'intensity', 'ring'], intensity_max=255.0)


def write(folder, metainfo, lengths, step=None, intrinsics=None, poses=False):
    """An index whose sequences have these numbers of frames, `step` seconds apart."""
    sequences = [
        FrameSequence(
            f's{number}',
            [f's{number}/{frame}.bin' for frame in range(length)],
            poses=np.tile(np.eye(4), (length, 1, 1)) if poses else None,
            timestamps=None if step is None else np.arange(length) * step,
            intrinsics=intrinsics,
        )
        for number, length in enumerate(lengths)
    ]
    write_sequence_index(folder / 'sequences.json', metainfo, sequences)
    return str(folder / 'sequences.json')


def test_what_an_index_declares_is_read(tmp_path):
    index = write(tmp_path, SCANS, [60, 40], step=0.05, poses=True)
    data = choose_data(index, 'KittiDataset')
    assert (data.kind, data.columns, data.intensity_max) == ('lidar', tuple(SCANS['columns']), 255.0)
    assert (data.has_poses, data.has_times, data.is_single, data.notes) == (True, True, False, ())
    values = {name: value for name, (value, _) in data.settings.items()}
    # A second is 20 frames of 0.05 s; the step from one recording to the next is not counted.
    assert values == dict(data_root=str(tmp_path), ann_file='sequences.json', window=20)


@pytest.mark.parametrize(
    ('lengths', 'step', 'every', 'window', 'max_gap'),
    [
        ([60], 0.1, 1, 10, True),
        ([60], None, 1, 10, False),
        ([60], None, 5, 2, False),
        ([4, 6], 0.1, 1, 6, True),
        ([60], 2.0, 20, 2, False),
    ],
)
def test_the_window_is_a_second_of_the_recordings(tmp_path, lengths, step, every, window, max_gap):
    index = write(tmp_path, dict(SCANS, key_frame_every=every), lengths, step)
    settings = choose_data(index, '').settings
    assert settings['window'][0] == window
    assert ('max_gap' not in settings) == max_gap, 'the second of the fragment holds, unless nothing is as near'
    if lengths == [4, 6]:
        assert '1 of 2 recordings are shorter' in settings['window'][1]


def test_another_root(tmp_path):
    (tmp_path / 'lists').mkdir()
    index = write(tmp_path / 'lists', SCANS, [3])
    settings = choose_data(index, '', root=str(tmp_path / 'scans')).settings
    assert settings['ann_file'][0] == '../lists/sequences.json'


def test_depth_frames_and_single_frames(tmp_path):
    camera = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    data = choose_data(write(tmp_path, dict(up=[0, -1, 0], depth_scale=1000), [8], intrinsics=camera), '')
    assert (data.kind, data.base, data.columns) == ('depth', 'scannet_pairs', ('x', 'y', 'z'))
    assert data.settings['align_poses'][0] is False
    assert data.settings['window'][0] == 5
    assert '[0, -1, 0] points up' in data.notes[0]
    single = choose_data(write(tmp_path, SCANS, [1, 1]), '')
    assert single.is_single
    assert single.settings['mode'][0] == 'spatial'
    assert 'window' not in single.settings


def test_an_index_without_names_of_columns_is_told(tmp_path):
    data = choose_data(write(tmp_path, dict(load_dim=6), [3]), '')
    assert data.columns == ('x', 'y', 'z', 'intensity', 'column 4', 'column 5')
    assert 'does not say what its 6 values of a point are' in data.notes[0]


def test_names():
    for stock, name in [('NuScenes', 'nuscenes'), ('Waymo', 'waymo'), ('Lyft', 'lyft')]:
        assert choose_data(None, f'{stock}Dataset') is DATA_SETS[name]
    assert choose_data('scannet', 'KittiDataset') is DATA_SETS['scannet']
    with pytest.raises(ConfigError, match='trains on SomeDataset, for whose sequences there is no config here'):
        choose_data(None, 'SomeDataset')
    with pytest.raises(ConfigError, match=r'--data kiti is neither a file nor one of kitti, .*did you mean kitti'):
        choose_data('kiti', '')
    with pytest.raises(ConfigError, match='--root is the folder of a sequence index'):
        choose_data('kitti', '', root='data')


def test_a_file_that_is_no_index(tmp_path):
    (tmp_path / 'x.json').write_text('{}')
    with pytest.raises(SequenceIndexError, match='no data_list'):
        choose_data(str(tmp_path / 'x.json'), '')
