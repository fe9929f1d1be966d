"""ModelNet40 in its three published layouts, from the index to the points."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources import ShapeLister, shape_sequences
from strl_mmdet3d.datasets.transforms.load_shape import LoadShape

TRIANGLE = 'OFF3 1 0\n0 0 {z}\n2 0 {z}\n0 2 {z}\n3 0 1 2\n'


def listed(root, split=None, **choice):
    """The shapes as (path, label), and the classes."""
    lister = ShapeLister(split, **choice)
    sequences = list(shape_sequences(root, lister))
    for sequence in sequences:
        sequence.check()
        assert sequence.frames == [sequence.sequence_id]
    return [(sequence.sequence_id, sequence.label) for sequence in sequences], lister.classes


def load(root, path):
    return LoadShape()({'lidar_points': {'lidar_path': f'{root}/{path}'}})['points'].tensor.numpy()


class TestNormalResampled:
    """``modelnet40_normal_resampled``: a folder per class, a text file per shape, and lists in the root."""

    TRAIN = ('airplane_0002', 'airplane_0001', 'night_stand_0001')
    TEST = ('night_stand_0003',)

    @pytest.fixture
    def root(self, tmp_path):
        for i, name in enumerate((*self.TRAIN, *self.TEST)):
            folder = tmp_path / name.rpartition('_')[0]
            folder.mkdir(exist_ok=True)
            (folder / f'{name}.txt').write_text(f'{i},0.5,-0.25,0,0,1\n0,1,{i},0,0,1\n')
        (tmp_path / 'modelnet40_shape_names.txt').write_text('airplane\r\nnight_stand\r\n')
        (tmp_path / 'modelnet40_train.txt').write_text('\n'.join(self.TRAIN) + '\n')
        (tmp_path / 'modelnet40_test.txt').write_text('\n'.join(self.TEST))
        (tmp_path / 'modelnet10_shape_names.txt').write_text('night_stand\n')
        (tmp_path / 'filelist.txt').write_text('airplane/airplane_0001.txt\n')
        return tmp_path

    def test_the_lists_give_labels_and_splits(self, root):
        train = [('airplane/airplane_0002.txt', 0), ('airplane/airplane_0001.txt', 0)]
        train.append(('night_stand/night_stand_0001.txt', 1))
        test = [('night_stand/night_stand_0003.txt', 1)]
        assert listed(root, 'train') == (train, ['airplane', 'night_stand'])
        assert listed(root, 'test') == (test, ['airplane', 'night_stand'])
        assert listed(root)[0] == train + test
        assert listed(root, 'test', with_labels=False) == ([(test[0][0], None)], None)

    def test_the_points_are_the_first_three_numbers(self, root):
        (path, _) = listed(root, 'test')[0][0]
        np.testing.assert_array_equal(load(root, path), [[3, 0.5, -0.25], [0, 1, 3]])

    def test_what_the_lists_lack_is_named(self, root):
        (root / 'airplane/airplane_0001.txt').unlink()
        with pytest.raises(SequenceIndexError, match=r"train\.txt lists 'airplane_0001', but .*0001\.txt is missing"):
            listed(root)
        (root / 'modelnet40_train.txt').write_text('zeppelin_0001\n')
        with pytest.raises(SequenceIndexError, match=r"'zeppelin_0001', whose class 'zeppelin' is not in"):
            listed(root)
        (root / 'modelnet40_train.txt').write_text('../../etc_0001\n')
        with pytest.raises(SequenceIndexError, match='is not in'):
            listed(root)
        (root / 'modelnet40_train.txt').write_text('')
        with pytest.raises(SequenceIndexError, match=r'modelnet40_train\.txt lists nothing'):
            listed(root)
        (root / 'modelnet40_train.txt').unlink()
        with pytest.raises(SequenceIndexError, match=r'modelnet40_train\.txt cannot be read'):
            listed(root)


class TestPlyHdf5:
    """``modelnet40_ply_hdf5_2048``: HDF5 files of up to 2048 shapes, and lists of them."""

    FILES = (('train0', [[0], [1]]), ('train1', [[1]]), ('test0', [[0]]))

    @pytest.fixture
    def root(self, tmp_path):
        for i, (name, label) in enumerate(self.FILES):
            with h5py.File(tmp_path / f'ply_data_{name}.h5', 'w') as file:
                file['data'] = np.full((len(label), 4, 3), i, np.float32)
                file['label'] = np.array(label, np.uint8)
                file['normal'] = np.zeros((len(label), 4, 3), np.float32)
        (tmp_path / 'shape_names.txt').write_text('airplane\nbathtub\n')
        folder = 'data/modelnet40_ply_hdf5_2048'
        (tmp_path / 'train_files.txt').write_text(f'{folder}/ply_data_train0.h5\n{folder}/ply_data_train1.h5\n')
        (tmp_path / 'test_files.txt').write_text(f'{folder}/ply_data_test0.h5\n')
        (tmp_path / 'ply_data_train_0_id2file.json').write_text('[]')
        return tmp_path

    def test_the_lists_give_the_splits_and_the_files_the_labels(self, root):
        train = [('ply_data_train0.h5/000000', 0), ('ply_data_train0.h5/000001', 1), ('ply_data_train1.h5/000000', 1)]
        assert listed(root, 'train') == (train, ['airplane', 'bathtub'])
        assert listed(root, 'test') == ([('ply_data_test0.h5/000000', 0)], ['airplane', 'bathtub'])

    def test_the_points_are_those_of_the_row(self, root):
        np.testing.assert_array_equal(load(root, 'ply_data_train1.h5/000000'), np.full((4, 3), 1))

    def test_a_label_out_of_range_is_named(self, root):
        (root / 'shape_names.txt').write_text('airplane\n')
        with pytest.raises(
            SequenceIndexError, match=r'train0\.h5: 1 labels are out of range.*000001 has the label 1, .*0 to 0'
        ):
            listed(root)
        assert len(listed(root, with_labels=False)[0]) == 4

    def test_labels_that_are_not_one_a_shape_are_named(self, root):
        with h5py.File(root / 'ply_data_train1.h5', 'r+') as file:
            del file['label']
            file['label'] = np.zeros((2, 1), np.uint8)
        with pytest.raises(SequenceIndexError, match=r'train1\.h5: its labels are of type uint8 and shape \(2,\)'):
            listed(root)

    def test_missing_and_damaged_files_are_named(self, root):
        (root / 'ply_data_test0.h5').write_bytes(b'x')
        with pytest.raises(SequenceIndexError, match=r'test0\.h5 cannot be read as an HDF5 file'):
            listed(root)
        (root / 'ply_data_test0.h5').unlink()
        with pytest.raises(SequenceIndexError, match=r'test0\.h5 cannot be read'):
            listed(root)


class TestMeshes:
    """``ModelNet40``: CLASS/{train,test}/NAME.off."""

    PATHS = ('chair/train/chair_0001.off', 'chair/test/chair_0010.off', 'bed/train/bed_0002.off')

    @pytest.fixture
    def root(self, tmp_path):
        for z, path in enumerate(self.PATHS):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(TRIANGLE.format(z=z))
        (tmp_path / 'chair/train/._chair_0001.off').write_bytes(b'x')
        (tmp_path / 'README.txt').write_text('x')
        return tmp_path

    def test_the_folders_give_labels_and_splits(self, root):
        assert listed(root, 'train') == ([(self.PATHS[2], 0), (self.PATHS[0], 1)], ['bed', 'chair'])
        assert listed(root, 'test') == ([(self.PATHS[1], 1)], ['bed', 'chair'])

    def test_the_points_are_on_the_mesh(self, root):
        points = load(root, self.PATHS[1])
        assert points.shape == (2048, 3)
        assert (points[:, 2] == 1).all()

    def test_in_other_layouts_they_are_without_labels(self, root):
        (root / 'stray.OBJ').write_text('x')
        shapes, classes = listed(root)
        assert len(shapes) == 4
        assert {label for _, label in shapes} == {None}
        assert classes is None
        with pytest.raises(SequenceIndexError, match='has no split'):
            listed(root, 'train')

    @pytest.mark.parametrize(
        'paths',
        [
            ['bed/a.obj', 'chair/b.off', 'chair/c.ply'],
            ['train/bed/a.obj', 'test/chair/b.off', 'val/chair/c.ply'],
            ['02818832/m1/models/a.obj', '03001627/m2/models/b.obj', '03001627/m3/b.obj'],
        ],
    )
    def test_other_folders_give_labels_too(self, tmp_path, paths):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text('x')
        shapes, classes = listed(tmp_path)
        assert dict(shapes) == dict(zip(paths, (0, 1, 1), strict=True))
        assert classes in (['bed', 'chair'], ['02818832', '03001627'])

    @pytest.mark.parametrize(
        ('paths', 'why'),
        [
            (['a.obj', 'chair/b.obj'], '1 meshes lie in the root itself, such as a.obj'),
            (['chair/a.obj', 'chair/b.obj'], 'all meshes lie in one folder, chair'),
            (['set/bed/a.obj', 'set/bed/b.obj', 'own/bed/a.obj'], 'hold several meshes, such as set/bed'),
            (['train/a.obj', 'chair/b.obj'], 'the folders train are splits'),
        ],
    )
    def test_what_gives_no_labels_is_said(self, tmp_path, paths, why):
        for path in paths:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text('x')
        lister = ShapeLister()
        assert {sequence.label for sequence in shape_sequences(tmp_path, lister)} == {None}
        (note,) = lister.notes
        assert note.startswith('no labels: ')
        assert why in note

    def test_meshes_and_unlabelled_archives_go_together(self, root):
        np.savez(root / 'a.npz', np.zeros((1, 2, 3)))
        assert len(listed(root, with_labels=False)[0]) == 4
        with pytest.raises(SequenceIndexError, match=r'has labels and .*a\.npz has none|--no-labels'):
            listed(root)
