"""Collecting the things that move: from scans on disk to a file that PasteMoved takes."""

from __future__ import annotations

import collect_moved_things
import numpy as np
import pytest

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.datasets.moved_things import MovedThings

ROAD = -1.7
CONFIG = """
default_scope = 'mmdet3d'
views = dict(
    type='MultiView',
    load=[dict(type='LoadFrame', coord_type='LIDAR', load_dim=4, use_dim=4), dict(type='CutToFieldOfView')],
    pair={pair},
    augment=[dict(type='PointsRangeFilter')],
    pack=[dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask', 'pts_instance_mask'])],
)
train_dataloader = dict(
    dataset=dict(
        type='TemporalPairDataset',
        data_root='{root}',
        ann_file='sequences.json',
        window=2,
        align_poses=True,
        point_cloud_range=[0, -20, -3, 20, 20, 1],
        pipeline=[dict(type='DrawHeading'), views],
    )
)
"""


def scan(place):
    """The returns of a LiDAR from a wall all around it, the road, and a pillar of 1 m at ``place``, metres."""
    azimuth, elevation = np.meshgrid(np.radians(np.arange(-180, 180, 0.3)), np.radians(np.arange(-16, 4, 0.4)))
    azimuth, elevation = azimuth.ravel(), elevation.ravel()
    flat = np.full(azimuth.shape, 25.0)
    down = elevation < 0
    flat[down] = np.minimum(25.0, ROAD / np.tan(elevation[down]))
    distance = np.hypot(*place)
    off = np.abs((azimuth - np.arctan2(place[1], place[0]) + np.pi) % (2 * np.pi) - np.pi)
    hit = (off * distance < 0.5) & (flat > distance) & (np.tan(elevation) * distance < 0)
    flat[hit] = distance
    rows = np.column_stack(
        [flat * np.cos(azimuth), flat * np.sin(azimuth), flat * np.tan(elevation), np.where(hit, 0.9, 0.1)]
    )
    return rows.astype(np.float32)


@pytest.fixture
def drive(tmp_path):
    """Two scans, between which a pillar behind the car moves by 3 m."""
    for number, place in enumerate([(-12.0, 0.0), (-12.0, 3.0)]):
        scan(place).tofile(tmp_path / f'{number}.bin')
    poses = np.repeat(np.eye(4)[None], 2, axis=0)
    sequence = FrameSequence('drive', ['0.bin', '1.bin'], poses)
    write_sequence_index(tmp_path / 'sequences.json', dict(load_dim=4), [sequence])
    return tmp_path


def config_of(root, pair="[dict(type='MarkMoved')]"):
    path = root / 'config.py'
    path.write_text(CONFIG.format(root=root, pair=pair))
    return str(path)


def test_things_are_collected_from_whole_scans(drive, capsys):
    out = drive / 'things.npz'
    collect_moved_things.main([config_of(drive), '--out', str(out)])
    assert '2 things of 2 frames' in capsys.readouterr().out
    collect_moved_things.main([config_of(drive), '--out', str(drive / 'one.npz'), '--frames', '1'])
    assert '1 things of 1 frames' in capsys.readouterr().out
    for thing in MovedThings.load(out):
        assert thing.shape[1] == 4
        assert (thing[:, 3] > 0.5).sum() > 50  # the pillar, with its channel
        assert np.hypot(*thing[:, :2].T).max() < 13
        assert thing[:, 0].max() < -11  # behind the car, out of the field of view and of the range


def test_a_config_without_marks_and_a_drive_without_motion_are_refused(drive):
    out = ['--out', str(drive / 'things.npz')]
    with pytest.raises(SystemExit, match='marks no points'):
        collect_moved_things.main([config_of(drive, '[]'), *out])
    with pytest.raises(SystemExit, match='no thing has moved'):
        collect_moved_things.main([config_of(drive), *out, '--fewest', '100000'])
    assert not (drive / 'things.npz').exists()
