"""Files that would run code when they are unpickled, given to every tool: each refuses, and nothing is run."""

from __future__ import annotations

import json
import pickle
import re
import sys
from pathlib import Path

import browse_pairs
import convert_authors_checkpoint
import create_sequence_index
import export_encoder
import inspect_sequences
import joblib
import linear_probe
import numpy as np
import prepare_sunrgbd
import pytest
import select_labels
import simulate_data
import torch
import train
from depth_data import write_scene
from mmengine.config import Config
from scipy.io import savemat
from tiny import tiny_config, tiny_detector
from tiny_shapes import tiny_dataset, tiny_model

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.safe_loading import load_safely
from strl_mmdet3d.simulation.output_folder import _RECORD as RECORD


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return exec, (f'open({str(self.marker)!r}, "w").close()',)


def as_torch(bomb, path, zipped=True):
    state_dict = dict(weight=torch.zeros(2), bomb=bomb)
    with path.open('wb') as file:
        torch.save(dict(meta={}, state_dict=state_dict), file, _use_new_zipfile_serialization=zipped)


def as_array(bomb, path, save=np.save):
    with path.open('wb') as file:
        save(file, np.array([bomb], dtype=object))


KINDS = {
    'pickle': lambda bomb, path: path.write_bytes(pickle.dumps(bomb)),
    'pickle of protocol 0': lambda bomb, path: path.write_bytes(pickle.dumps(bomb, 0)),
    'dict': lambda bomb, path: path.write_bytes(pickle.dumps(dict(metainfo={}, data_list=[bomb]))),
    'torch': as_torch,
    'torch, old': lambda bomb, path: as_torch(bomb, path, zipped=False),
    'npy': as_array,
    'npz': lambda bomb, path: as_array(bomb, path, np.savez),
    'joblib': lambda bomb, path: joblib.dump([np.zeros(3), bomb], path),
}
every_kind = pytest.mark.parametrize('kind', KINDS)


@pytest.fixture(autouse=True)
def _safely():
    load_safely()


@pytest.fixture
def plant(tmp_path):
    """Write bombs. At the end of the test, none may have run."""
    marker = tmp_path / 'marker'

    def write(path, kind='pickle'):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        KINDS[kind](Bomb(marker), path)
        return path

    yield write
    assert not marker.exists(), 'code was run'


@pytest.mark.parametrize('kind', ['pickle', 'pickle of protocol 0', 'dict', 'torch, old', 'joblib'])
def test_the_bombs_are_live(tmp_path, kind):
    marker, path = tmp_path / 'marker', tmp_path / 'file'
    KINDS[kind](Bomb(marker), path)
    with path.open('rb') as file:
        if kind == 'joblib':
            joblib.load(file)
        elif kind == 'torch, old':
            torch.load(file, weights_only=False)
        else:
            pickle.load(file)
    assert marker.exists()


@pytest.mark.parametrize('kind', ['npy', 'npz', 'torch'])
def test_the_bombs_in_archives_are_live(tmp_path, kind):
    marker, path = tmp_path / 'marker', tmp_path / 'file'
    KINDS[kind](Bomb(marker), path)
    if kind == 'torch':
        torch.load(path, weights_only=False)
    else:
        loaded = np.load(path, allow_pickle=True)
        assert kind == 'npy' or loaded['arr_0'] is not None
    assert marker.exists()


# What is wrong with a file, and the remedy, as the tools say it.
INDEX = r'is not a readable sequence index \(.*\)\. Rebuild the sequence index with tools/create_sequence_index\.py'
SCAN = (
    r'(is truncated: .* whole points of 4 float32 values|is truncated or damaged: .*|'
    r'holds (NaN or Inf|values beyond any sensor).*)\. Restore|'
    r'does not tell how many values a point has\. Set --load-dim'
)
NPZ = (
    r'cannot be read as an \.npz archive .*\. Restore the file|holds no arrays that could be the shapes\. Expected one '
)
HDF5 = r'cannot be read as an HDF5 file .*\. Restore the file'
MESH = r'cannot be read as a mesh \(.*\)\. Restore the file'
NUMBERS = (
    r'cannot be read as text \(.*\)\. Restore it, or move it away|'
    r'has no row of .* numbers .*\. Restore it, or move it away|'
    r', line 2: a word where a number is expected\. .* Restore the file, or move it away'
)
CALIBRATION = (
    r'cannot be read \(.*\), but the poses need it\. Add the calibration files .* or build the index with --no-poses|'
    r'has no \w+ of \d+ .*numbers.*\. Restore it, or use --no-poses'
)
MAT = r'is not a readable \.mat file \(.*\)\. Download it again'
TEXT = r'cannot be read \(.*\)\. Restore the file|cannot be read as an HDF5 file .*\. Restore the file'

EXEC = r'asks for (\w+\.)?exec\b.* could run any code.* from a source that you trust'
OF_TORCH = {
    **dict.fromkeys(KINDS, EXEC),
    'npy': r'is damaged, or not a pickle \(.*\)\. Take a checkpoint that mmengine wrote, from a source that you trust',
    'npz': r'it is damaged \(.*\)\. Take a checkpoint that mmengine wrote, from a source that you trust',
    'joblib': r'asks for joblib\.numpy_pickle\.NumpyArrayWrapper, which could run any code\. Take a checkpoint',
}
"""Of a checkpoint that a Runner loads, by its kind."""
NO_RESUME = (
    r'cannot be resumed from: (the pickle is refused: it asks for \S*exec, which could run any code|it is damaged|'
    r'it is not a whole zip archive).*\. Name another one by --resume$|is whole \(epoch_1\.pth: the pickle is refused: '
    r'it asks for \S*exec, which could run any code.*--start-over'
)
NO_ENCODER = r'is not a whole zip archive as torch\.save writes it: .*\. Copy it again'
DAMAGED = r'cannot be read as a checkpoint of tensors and plain values: .*(Copy it again|from a source that you trust)$'
OF_EXPORT = {**dict.fromkeys(KINDS, NO_ENCODER), 'torch': EXEC, 'npz': f'{DAMAGED}|{NO_ENCODER}'}
"""Of an encoder or a checkpoint to export, by its kind: an archive's checksums are read first."""
OF_AUTHORS = {
    **dict.fromkeys(KINDS, DAMAGED),
    **dict.fromkeys(['torch', 'torch, old', 'pickle of protocol 0'], EXEC),
}
"""Of a released checkpoint, by its kind: these may be older than the archives."""


def refused_by(tool, says, path, *argv):
    """The tool must end with an error that names the file, what is wrong with it, and the remedy."""
    with pytest.raises(SystemExit, match=re.compile(says, re.DOTALL)) as ending:
        tool.main([str(word) for word in argv])
    message = str(ending.value)
    assert message.startswith('error: ')
    assert path.name in message


def write_config(path, **changes):
    """A config that trains on pairs, with the test's changes."""
    path.write_text(json.dumps(Config(tiny_config(log_level='ERROR') | changes).to_dict()))
    return path


def write_shapes_config(path, loader):
    """A config for the linear probe."""
    return write_config(path, model=tiny_model(), train_dataloader=loader, test_dataloader=loader)


def pairs_of(root, load='LoadFrame', **changes):
    view = dict(type='MultiView', load=[dict(type=load)])
    dataset = dict(
        type='TemporalPairDataset', data_root=str(root), ann_file='index.json', mode='spatial', pipeline=[view]
    )
    return dict(
        batch_size=2,
        num_workers=0,
        dataset=dataset | changes,
        sampler=dict(type='PairSampler', shuffle=True),
        collate_fn=dict(type='pseudo_collate'),
    )


class TestTrain:
    @every_kind
    @pytest.mark.parametrize('how', ['resume', 'load_from'])
    def test_checkpoints(self, tmp_path, plant, kind, how):
        path = plant(tmp_path / 'bomb.pth', kind)
        option = ['--resume', path] if how == 'resume' else ['--cfg-options', f'load_from={path}']
        argv = [write_config(tmp_path / 'config.json'), '--work-dir', tmp_path / 'run', *option]
        refused_by(train, NO_RESUME if how == 'resume' else OF_TORCH[kind], path, *argv)

    def test_the_last_checkpoint(self, tmp_path, plant):
        path = plant(tmp_path / 'run/epoch_1.pth', 'torch')
        (tmp_path / 'run/last_checkpoint').write_text(str(path))
        argv = [write_config(tmp_path / 'config.json'), '--work-dir', tmp_path / 'run', '--resume']
        refused_by(train, NO_RESUME, path, *argv)

    @every_kind
    def test_indices(self, tmp_path, plant, kind):
        path = plant(tmp_path / 'index.json', kind)
        config = write_config(tmp_path / 'config.json', train_dataloader=pairs_of(tmp_path))
        refused_by(train, INDEX, path, config, '--work-dir', tmp_path / 'run')

    @pytest.mark.parametrize('kind', ['pickle', 'npz'])
    @pytest.mark.parametrize(
        ('frame', 'says'),
        [
            ('0.bin', SCAN),
            ('0.txt', r'cannot be read as lines of x,y,z,\.\.\. \(.*\)\. Restore the file'),
            ('0.off', MESH),
            ('0.ply', MESH),
            ('a.npz/000000', NPZ),
            ('a.h5/000000', HDF5),
        ],
    )
    def test_frames(self, tmp_path, plant, kind, frame, says):
        path = plant(tmp_path / frame.removesuffix('/000000'), kind)
        write_sequence_index(tmp_path / 'index.json', {}, [FrameSequence('s', [frame])])
        load = 'LoadFrame' if frame.endswith('.bin') else 'LoadShape'
        config = write_config(tmp_path / 'config.json', train_dataloader=pairs_of(tmp_path, load))
        refused_by(train, says, path, config, '--work-dir', tmp_path / 'run')

    @pytest.mark.parametrize('kind', ['pickle', 'npz'])
    def test_depth_images(self, tmp_path, plant, kind):
        path = plant(tmp_path / '0.png', kind)
        sequence = FrameSequence('s', ['0.png'], intrinsics=np.eye(3))
        write_sequence_index(tmp_path / 'index.json', {}, [sequence])
        config = write_config(tmp_path / 'config.json', train_dataloader=pairs_of(tmp_path, 'LoadDepthFrame'))
        says = r'0\.png is not a depth image, .* \(it is not a PNG\)\. Extract it again'
        refused_by(train, says, path, config, '--work-dir', tmp_path / 'run')

    @pytest.mark.parametrize('kind', ['pickle', 'pickle of protocol 0'])
    @pytest.mark.parametrize('where', ['annotations', 'database'])
    def test_info_files_of_mmdet3d(self, tmp_path, plant, kind, where):
        """mmdet3d unpickles its annotations, and the database that objects are pasted from."""
        path = plant(tmp_path / 'infos.pkl', kind)
        pipeline = []
        if where == 'database':
            sampler = dict(type='DataBaseSampler', data_root='', info_path=str(path), rate=1, prepare={})
            pipeline = [dict(type='ObjectSample', db_sampler=sampler | dict(sample_groups={}, classes=['Car']))]
        dataset = dict(type='KittiDataset', data_root=str(tmp_path), ann_file='infos.pkl', pipeline=pipeline)
        loader = pairs_of(tmp_path) | dict(dataset=dataset)
        config = write_config(tmp_path / 'config.json', model=tiny_detector(), train_dataloader=loader)
        # mmengine hands the bytes over without the name of the file.
        says = r"asks for \w+\.exec, which could run any code\. Rebuild the info files with mmdet3d's tools/create_data"
        refused_by(train, says, Path('info files'), config, '--work-dir', tmp_path / 'run')


class TestCheckpointTools:
    @every_kind
    def test_export_encoder(self, tmp_path, plant, kind):
        path = plant(tmp_path / 'bomb.pth', kind)
        refused_by(export_encoder, OF_EXPORT[kind], path, path, tmp_path / 'encoder.pth')
        assert not (tmp_path / 'encoder.pth').exists()

    @every_kind
    def test_verifying(self, tmp_path, plant, kind):
        path = plant(tmp_path / 'bomb.pth', kind)
        downstream = write_config(tmp_path / 'downstream.json', model=tiny_detector())
        refused_by(export_encoder, OF_EXPORT[kind], path, path, '--verify', downstream)

    @every_kind
    def test_convert_authors_checkpoint(self, tmp_path, plant, kind):
        path = plant(tmp_path / 'bomb.ckpt', kind)
        argv = [path, tmp_path / 'encoder.pth', '--encoder', 'votenet']
        refused_by(convert_authors_checkpoint, OF_AUTHORS[kind], path, *argv)
        assert not (tmp_path / 'encoder.pth').exists()

    @every_kind
    def test_linear_probe(self, tmp_path, plant, kind):
        path = plant(tmp_path / 'bomb.pth', kind)
        loader = dict(batch_size=2, dataset=tiny_dataset([2, 2]))
        config = write_config(
            tmp_path / 'shapes.json', model=tiny_model(), train_dataloader=loader, test_dataloader=loader
        )
        refused_by(linear_probe, OF_EXPORT[kind], path, config, path)


class TestDataTools:
    @every_kind
    @pytest.mark.parametrize('name', ['index.json', 'a.npz'])
    def test_linear_probe(self, tmp_path, plant, kind, name):
        path = plant(tmp_path / name, kind)
        if name == 'a.npz':
            shape = FrameSequence('0', ['a.npz/000000'], label=0)
            write_sequence_index(tmp_path / 'index.json', dict(classes=['a']), [shape])
        pipeline = [
            dict(type='LoadShape'),
            dict(type='DownSamplePoints', num_points=4),
            dict(type='Pack3DDetInputs', keys=['points', 'gt_labels_3d']),
        ]
        shapes = dict(type='ShapeDataset', data_root=str(tmp_path), ann_file='index.json', pipeline=pipeline)
        loader = dict(batch_size=2, dataset=shapes)
        config = write_config(
            tmp_path / 'shapes.json', model=tiny_model(), train_dataloader=loader, test_dataloader=loader
        )
        refused_by(linear_probe, INDEX if name == 'index.json' else NPZ, path, config)

    @every_kind
    def test_select_labels(self, tmp_path, plant, kind):
        path = plant(tmp_path / 'index.json', kind)
        refused_by(select_labels, INDEX, path, path, tmp_path / 'few.json', '--fraction', '0.5')

    @every_kind
    def test_inspect_sequences(self, tmp_path, plant, kind):
        path = plant(tmp_path / 'index.json', kind)
        refused_by(inspect_sequences, INDEX, path, path)

    @every_kind
    @pytest.mark.parametrize('name', ['index.json', '0.bin'])
    def test_browse_pairs(self, tmp_path, plant, kind, name):
        path = plant(tmp_path / name, kind)
        if name == '0.bin':
            write_sequence_index(tmp_path / 'index.json', {}, [FrameSequence('s', ['0.bin'])])
        config = write_config(tmp_path / 'config.json', train_dataloader=pairs_of(tmp_path))
        refused_by(browse_pairs, INDEX if name == 'index.json' else SCAN, path, config, '--out', tmp_path / 'pictures')

    @every_kind
    @pytest.mark.parametrize('name', ['allsplit.mat', 'SUNRGBDMeta3DBB_v2.mat'])
    def test_prepare_sunrgbd(self, tmp_path, plant, kind, name):
        root = tmp_path / 'official'
        (root / 'SUNRGBD').mkdir(parents=True)
        split = root / 'SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat'
        if name == split.name:
            plant(split, kind)
        else:
            split.parent.mkdir(parents=True)
            savemat(split, dict(alltrain=np.empty((0, 0), object), alltest=np.empty((0, 0), object)))
        for meta in ('3D', '2D'):
            plant(root / f'SUNRGBDMeta{meta}BB_v2.mat', kind)
        refused_by(prepare_sunrgbd, MAT, Path(name), '--root', root, '--out', tmp_path / 'out')
        assert not (tmp_path / 'out/points').exists()

    @every_kind
    def test_simulate_data(self, tmp_path, plant, kind, monkeypatch):
        """It reads what a folder says that it holds."""
        path = plant(tmp_path / 'out' / RECORD, kind)
        monkeypatch.setattr(sys, 'argv', ['simulate_data.py', 'shapes', '--out', str(tmp_path / 'out')])
        says = rf'^error: {re.escape(str(path))} is damaged \(.*\)\. Delete {re.escape(str(path.parent))} or choose'
        with pytest.raises(SystemExit, match=says):
            simulate_data.main()


class TestCreateSequenceIndex:
    def refused(self, says, root, source, path):
        out = root.parent / 'new.json'
        refused_by(create_sequence_index, says, path, source, '--root', root, '--out', out)
        assert not out.exists()

    @every_kind
    def test_scans(self, tmp_path, plant, kind):
        path = plant(tmp_path / 'data/s/0.bin', kind)
        if path.stat().st_size % 16 == 0:  # looks whole by its size; its content is refused when it is read
            with path.open('ab') as file:
                file.write(b'\0')
        self.refused(SCAN, tmp_path / 'data', 'folder', path)

    @every_kind
    @pytest.mark.parametrize(
        ('name', 'says'),
        [
            (
                'oxts/data/0000000000.txt',
                r'cannot be read \(.*\), but the drive has poses, which --no-poses leaves out\. .*'
                r'Restore the file, or move it away',
            ),
            ('../calib_imu_to_velo.txt', CALIBRATION),
            (
                'velodyne_points/timestamps.txt',
                r'(cannot be read \(.*\)|, line 1: no time stamp)\. .*Restore the file, or move it away|'
                r'cannot be read \(.*\)\. Restore the file, or move it away',
            ),
        ],
    )
    def test_kitti_raw(self, tmp_path, plant, kind, name, says):
        drive = tmp_path / 'data/2011_09_26/2011_09_26_drive_0001_sync'
        (drive / 'velodyne_points/data').mkdir(parents=True)
        if name != 'velodyne_points/timestamps.txt':  # poses are read first
            (drive / 'oxts/data').mkdir(parents=True)
            (drive / 'oxts/data/0000000000.txt').write_text('49 8 115' + ' 0' * 27 + '\n')
        (drive / 'velodyne_points/data/0000000000.bin').write_bytes(bytes(32))
        (drive.parent / 'calib_imu_to_velo.txt').write_text('R: 1 0 0 0 1 0 0 0 1\nT: 0 0 0\n')
        path = plant((drive / name).resolve(), kind)
        self.refused(says, tmp_path / 'data', 'kitti-raw', path)

    @every_kind
    @pytest.mark.parametrize(
        ('name', 'says'),
        [('sequences/00/times.txt', NUMBERS), ('sequences/00/calib.txt', CALIBRATION), ('poses/00.txt', NUMBERS)],
    )
    def test_kitti_odometry(self, tmp_path, plant, kind, name, says):
        root = tmp_path / 'data'
        (root / 'sequences/00/velodyne').mkdir(parents=True)
        (root / 'poses').mkdir()
        (root / 'sequences/00/velodyne/000000.bin').write_bytes(bytes(32))
        (root / 'sequences/00/calib.txt').write_text('Tr: 1 0 0 0 0 1 0 0 0 0 1 0\n')
        (root / 'poses/00.txt').write_text('1 0 0 0 0 1 0 0 0 0 1 0\n')
        self.refused(says, root, 'kitti-odometry', plant(root / name, kind))

    @every_kind
    @pytest.mark.parametrize(
        ('name', 'says'),
        [
            ('pose/000000.txt', r'no usable scans below .*--help` shows the layout .*left out, pose_unreadable: '),
            ('intrinsics_depth.txt', r'holds no intrinsics \(.*\): expected the .*matrix .*\. Extract the file again'),
        ],
    )
    def test_scannet(self, tmp_path, plant, kind, name, says):
        scene = write_scene(tmp_path / 'data/scene', range(1))
        self.refused(says, tmp_path / 'data', 'scannet', plant(scene / name, kind))

    @every_kind
    @pytest.mark.parametrize(
        ('name', 'says'),
        [('a.npz', NPZ), ('modelnet40_shape_names.txt', TEXT), ('train_files.txt', TEXT), ('a.h5', HDF5)],
    )
    def test_shapes(self, tmp_path, plant, kind, name, says):
        root = tmp_path / 'data'
        path = plant(root / name, kind)
        if name == 'a.h5':
            (root / 'train_files.txt').write_text('a.h5\n')
        if name in ('a.h5', 'train_files.txt'):
            (root / 'shape_names.txt').write_text('chair\n')
        # A pickle of protocol 0 is text, so it is read as the list of names, none of which is there.
        is_text = path.suffix == '.txt' and kind == 'pickle of protocol 0'
        self.refused(says, root, 'shapes', root if is_text else path)

    @pytest.mark.parametrize('name', ['label', 'classes', 'points'])
    def test_an_array_of_objects_among_others(self, tmp_path, plant, name):
        root = tmp_path / 'data'
        root.mkdir()
        arrays = dict(points=np.zeros((1, 4, 3), np.float32), label=np.zeros(1, int), classes=np.array(['a']))
        bomb = np.empty((1, 4, 3) if name == 'points' else 1, dtype=object)
        bomb.flat[0] = Bomb(tmp_path / 'marker')
        np.savez(root / 'a.npz', **arrays | {name: bomb})
        self.refused(NPZ, root, 'shapes', root / 'a.npz')
