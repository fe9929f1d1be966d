"""The whole preparation, on a made-up download in the official layout, against mmdet3d's own converter and data set."""

from __future__ import annotations

import errno
import importlib.util
import math
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import mmdet3d
import mmengine
import numpy as np
import prepare_sunrgbd
import pytest
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from PIL import Image
from prepare_sunrgbd import main
from scipy.io import loadmat, savemat
from scipy.linalg import rq
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

MIM = Path(mmdet3d.__file__).parent / '.mim'
PREFIX = '/n/fs/sun3d/data/'  # what the official files' paths begin with
K = np.array([[50.0, 0.0, 20.0], [0.0, 51.0, 15.0], [0.0, 0.0, 1.0]])
SPLITS = ('train', 'val')
DEPTH_TO_CAMERA = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])


def encode(millimetres):
    """A depth image as SUN RGB-D stores it."""
    millimetres = np.asarray(millimetres, np.uint16)
    return (millimetres << 3) | (millimetres >> 13)


def box(name, angle=0.4, centroid=(0.3, 2.0, -0.2), coeffs=(0.3, 0.5, 0.4), box_2d=(5, 6, 10, 12)):
    """An object of the labels; ``box_2d`` is x, y, width, height."""
    facing, across = (math.cos(angle), math.sin(angle), 0.0), (-math.sin(angle), math.cos(angle), 0.0)
    return dict(
        classname=name,
        basis=np.array([across, facing, (0.0, 0.0, 1.0)]),
        coeffs=np.array([coeffs], float),
        centroid=np.array([centroid], float),
        orientation=np.array([facing]),
        gtBb2D=np.array([box_2d], float),
    )


def scene(folder, seed=0, objects=(), intrinsics=K):
    """A 30 x 40 RGB-D image of a noisy wall with holes, from a camera that looks down a little."""
    rng = np.random.default_rng(seed)
    millimetres = rng.integers(1500, 3500, (30, 40)) * (rng.random((30, 40)) > 0.1)
    return dict(
        folder=f'SUNRGBD/kv2/kinect2data/{folder}',
        depth=encode(millimetres),
        colour=rng.integers(0, 256, (30, 40, 3), np.uint8),
        intrinsics=intrinsics,
        rtilt=Rotation.from_euler('xy', [-10 - seed, 2], degrees=True).as_matrix(),
        objects=list(objects),
    )


def structs(entries):
    """A 1 x N struct array; 0 x 0 without entries, as in MATLAB."""
    if not entries:
        return np.zeros((0, 0))
    array = np.zeros((1, len(entries)), dtype=[(name, object) for name in entries[0]])
    for i, entry in enumerate(entries):
        array[0, i] = tuple(entry.values())
    return array


def cells(texts):
    array = np.empty((1, len(texts)), dtype=object)
    array[0] = texts
    return array


def download(root: Path, scenes, train) -> Path:
    """Write scenes in the layout and the structure of the official download."""
    metadata_3d, metadata_2d = [], []
    for one in scenes:
        for kind, values, suffix in (('image', one['colour'], 'jpg'), ('depth', one['depth'], 'png')):
            (root / one['folder'] / kind).mkdir(parents=True)
            # PNG, whatever the name: the pixels must be known.
            Image.fromarray(values).save(root / one['folder'] / kind / f'0001.{suffix}', format='PNG')
        objects = one['objects']
        metadata_3d.append(
            dict(
                sequenceName=one['folder'],
                groundtruth3DBB=structs(
                    [{key: value for key, value in item.items() if key != 'gtBb2D'} for item in objects]
                ),
                # Some of the official paths have a double slash.
                rgbpath=f'{PREFIX}{one["folder"]}/image/0001.jpg',
                depthpath=f'{PREFIX}{one["folder"]}//depth/0001.png',
                rgbname='0001.jpg',
                depthname='0001.png',
                K=one['intrinsics'],
                Rtilt=one['rtilt'],
                anno_extrinsics=np.eye(3),
                sensorType='kv2',
                valid=1.0,
            )
        )
        metadata_2d.append(
            dict(
                sequenceName=one['folder'],
                groundtruth2DBB=structs(
                    [dict(objid=1.0, gtBb2D=item['gtBb2D'], classname=item['classname']) for item in objects]
                ),
            )
        )
    (root / 'SUNRGBDtoolbox/traintestSUNRGBD').mkdir(parents=True)
    savemat(root / 'SUNRGBDMeta3DBB_v2.mat', dict(SUNRGBDMeta=structs(metadata_3d)), do_compression=True)
    savemat(root / 'SUNRGBDMeta2DBB_v2.mat', dict(SUNRGBDMeta2DBB=structs(metadata_2d)))
    folders = [PREFIX + one['folder'] for one in scenes]
    savemat(
        root / 'SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat',
        dict(alltrain=cells(folders[:train]), alltest=cells(folders[train:])),
    )
    return root


@pytest.fixture
def root(tmp_path):
    """Three images: two to train on, one of them without objects, and one to validate on."""
    objects = [box('bed'), box('lamp'), box('night_stand', angle=-2.0, coeffs=(-0.2, 0.6, 0.3), box_2d=(1.5, 2, 3, 4))]
    scenes = [scene('a', 1, objects), scene('b', 2), scene('c', 3, [box('chair', angle=3.0)])]
    return download(tmp_path / 'download', scenes, train=2)


def read_out(out: Path, split: str):
    with (out / f'sunrgbd_infos_{split}.pkl').open('rb') as file:
        return pickle.load(file)


def points_of(path: Path) -> np.ndarray:
    return np.fromfile(path, np.float32).reshape(-1, 6)


def run(root: Path, out: Path) -> None:
    main(['--root', str(root), '--out', str(out)])


def test_layout_split_and_report(root, tmp_path, capsys):
    run(root, tmp_path / 'out')

    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        '.prepared_sunrgbd.json',
        '.sunrgbd_trainval.lock',
        'points',
        'sunrgbd_infos_train.pkl',
        'sunrgbd_infos_val.pkl',
        'sunrgbd_trainval',
    ]
    names = [
        [info['lidar_points']['lidar_path'] for info in read_out(tmp_path / 'out', s)['data_list']] for s in SPLITS
    ]
    assert names == [['000001.bin', '000002.bin'], ['000003.bin']]
    report = capsys.readouterr().out
    assert 'train: 2 images with 2 objects' in report
    assert 'val: 1 images with 1 objects' in report
    assert '3 images prepared; 0 bad images left out' in report


def test_points_are_all_the_pixels_with_depth(root, tmp_path):
    run(root, tmp_path / 'out')

    one = scene('a', 1)
    expected = []
    for row in range(30):
        for column in range(40):
            metres = int(one['depth'][row, column] >> 3) / 1000
            if metres:
                camera = [(column + 1 - 20) * metres / 50, metres, -(row + 1 - 15) * metres / 51]
                expected.append([*(one['rtilt'] @ camera), *(one['colour'][row, column] / 255)])
    points = points_of(tmp_path / 'out/points/000001.bin')
    assert points.shape == (50_000, 6)
    # Fewer pixels than points: drawn with replacement, so that every pixel is there.
    assert cKDTree(expected).query(points)[0].max() < 1e-6
    assert cKDTree(points).query(expected)[0].max() < 1e-6


def load_stock(name):
    """A script of mmdet3d's converter, which is not a package."""
    spec = importlib.util.spec_from_file_location(f'stock_{name}', MIM / f'tools/dataset_converters/{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def matlab_output(root: Path, out: Path, scenes, train: int) -> None:
    """What VoteNet's MATLAB scripts give, in full precision: the input of mmdet3d's converter."""
    folder = out / 'sunrgbd_trainval'
    for name in ('depth', 'image', 'calib', 'label'):
        (folder / name).mkdir(parents=True)
    numbers = list(range(1, len(scenes) + 1))
    for split, members in (('train', numbers[:train]), ('val', numbers[train:])):
        (folder / f'{split}_data_idx.txt').write_text(''.join(f'{number}\n' for number in members))
    for number, one in enumerate(scenes, start=1):
        Image.fromarray(one['colour']).save(folder / f'image/{number:06d}.jpg', format='PNG')
        savemat(folder / f'depth/{number:06d}.mat', dict(instance=np.zeros((1, 6), np.float32)))
        calib = [
            ' '.join(f'{value!r}' for value in one[key].ravel(order='F').tolist()) for key in ('rtilt', 'intrinsics')
        ]
        (folder / f'calib/{number:06d}.txt').write_text('\n'.join(calib))
        lines = []
        for item in one['objects']:
            values = [*item['gtBb2D'][0], *item['centroid'][0], *abs(item['coeffs'][0]), *item['orientation'][0, :2]]
            lines.append(' '.join([item['classname'], *(f'{value:f}' for value in values)]))
        (folder / f'label/{number:06d}.txt').write_text('\n'.join(lines))


def test_infos_are_those_of_the_stock_converter(tmp_path):
    scenes = [scene('a', 1, [box('bed'), box('lamp'), box('desk', angle=-2.5, coeffs=(-0.2, 0.6, 0.3))])]
    scenes += [scene('b', 2, [box('bathtub', angle=1.9, box_2d=(0.25, 3.5, 8, 9))])]
    matlab_output(tmp_path / 'download', tmp_path / 'stock', scenes, train=1)
    converter = load_stock('sunrgbd_data_utils')
    (tmp_path / 'v1').mkdir()
    (tmp_path / 'v2').mkdir()
    for split in SPLITS:
        infos = converter.SUNRGBDData(str(tmp_path / 'stock'), split=split).get_infos(num_workers=1)
        mmengine.dump(infos, tmp_path / 'v1' / f'{split}.pkl')
        load_stock('update_infos_to_v2').update_sunrgbd_infos(str(tmp_path / f'v1/{split}.pkl'), str(tmp_path / 'v2'))

    run(download(tmp_path / 'download', scenes, train=1), tmp_path / 'out')

    for split in SPLITS:
        stock, ours = mmengine.load(tmp_path / f'v2/{split}.pkl'), read_out(tmp_path / 'out', split)
        assert ours['metainfo'] == stock['metainfo']
        assert len(ours['data_list']) == len(stock['data_list']) == 1
        assert_alike(ours['data_list'], stock['data_list'])


def assert_alike(ours, stock, path='data_list'):
    """The same keys and values; numbers up to the six decimals of the MATLAB script's text files."""
    if isinstance(stock, dict):
        assert sorted(ours) == sorted(stock), path
        for key in stock:
            assert_alike(ours[key], stock[key], f'{path}.{key}')
    elif isinstance(stock, list):
        assert len(ours) == len(stock), path
        for i, (mine, theirs) in enumerate(zip(ours, stock, strict=True)):
            assert_alike(mine, theirs, f'{path}[{i}]')
    elif isinstance(stock, str):
        assert ours == stock, path
    else:
        assert float(ours) == pytest.approx(float(stock), abs=2e-5), path


@pytest.mark.parametrize('split', SPLITS)
def test_stock_dataset_and_pipeline_read_it(root, tmp_path, split):
    run(root, tmp_path / 'out')
    loader = Config.fromfile(MIM / 'configs/votenet/votenet_8xb16_sunrgbd-3d.py')[f'{split}_dataloader']
    config = loader.dataset.dataset if split == 'train' else loader.dataset
    config.data_root = str(tmp_path / 'out')

    dataset = DATASETS.build(config)

    assert len(dataset) == (2 if split == 'train' else 1)
    sample = dataset[0]
    assert tuple(sample['inputs']['points'].shape) == (20_000, 4)  # x, y, z and the height above the floor
    if split == 'train':
        truth = sample['data_samples'].gt_instances_3d
        assert truth.labels_3d.tolist() == [0, 7]
        assert tuple(truth.bboxes_3d.tensor.shape) == (2, 7)
    else:
        truth = dataset.get_data_info(0)['eval_ann_info']
        assert truth['gt_labels_3d'].tolist() == [3]
        np.testing.assert_allclose(truth['gt_bboxes_3d'].gravity_center.numpy(), [[0.3, 2.0, -0.2]], atol=1e-6)
        np.testing.assert_allclose(truth['gt_bboxes_3d'].tensor[:, 3:].numpy(), [[1.0, 0.6, 0.8, 3.0]], atol=1e-6)


def test_stock_dataset_finds_the_images(root, tmp_path):
    run(root, tmp_path / 'out')

    dataset = DATASETS.build(
        dict(type='SUNRGBDDataset', data_root=str(tmp_path / 'out'), ann_file='sunrgbd_infos_train.pkl', pipeline=[])
    )

    info = dataset.get_data_info(0)
    np.testing.assert_array_equal(np.asarray(Image.open(info['img_path'])), scene('a', 1)['colour'])
    # The centre of the first pixel with depth projects to that pixel.
    point = points_of(tmp_path / 'out/points/000001.bin')[0]
    column, row, depth = info['depth2img'] @ point[:3]
    column, row = round(float(column / depth)), round(float(row / depth))
    np.testing.assert_allclose(scene('a', 1)['colour'][row - 1, column - 1] / 255, point[3:], atol=1e-6)


def test_same_bytes_each_time(root, tmp_path):
    run(root, tmp_path / 'one')
    run(root, tmp_path / 'two')

    files = sorted(path.relative_to(tmp_path / 'one') for path in (tmp_path / 'one').rglob('*') if path.is_file())
    assert len(files) == 10, 'the lock and the list of files too'
    for file in files:
        assert (tmp_path / 'one' / file).read_bytes() == (tmp_path / 'two' / file).read_bytes(), file


def test_metadata_may_be_in_the_toolbox(root, tmp_path):
    (root / 'SUNRGBDtoolbox/Metadata').mkdir()
    for name in ('SUNRGBDMeta3DBB_v2.mat', 'SUNRGBDMeta2DBB_v2.mat'):
        (root / name).rename(root / 'SUNRGBDtoolbox/Metadata' / name)

    run(root, tmp_path / 'out')

    assert len(read_out(tmp_path / 'out', 'train')['data_list']) == 2


def eight_bits(depth: Path) -> None:
    Image.fromarray(np.full((30, 40), 90, np.uint8)).save(depth)


def truncated(depth: Path) -> None:
    depth.write_bytes(depth.read_bytes()[:-600])


def no_depth(depth: Path) -> None:
    Image.fromarray(np.zeros((30, 40), np.uint16)).save(depth)


def another_size(depth: Path) -> None:
    Image.fromarray(np.full((30, 41), 9000, np.uint16)).save(depth)


@pytest.mark.parametrize(
    ('damage', 'reason'),
    [
        (eight_bits, 'is not a 16-bit grey image'),
        (truncated, 'is truncated or not an image'),
        (no_depth, 'has no pixel with depth'),
        (another_size, 'has (height, width) (30, 41), but'),
        (Path.unlink, 'is missing'),
        (lambda depth: depth.write_bytes(b'not an image'), 'is truncated or not an image'),
    ],
)
def test_bad_image_is_skipped_counted_and_reported(root, tmp_path, capsys, damage, reason):
    depth = root / 'SUNRGBD/kv2/kinect2data/b/depth/0001.png'
    damage(depth)

    run(root, tmp_path / 'out')

    report = capsys.readouterr().out
    assert f'left out: image 2: {depth} {reason}' in report
    assert '2 images prepared; 1 bad images left out' in report
    (info,) = read_out(tmp_path / 'out', 'train')['data_list']
    assert info['lidar_points']['lidar_path'] == '000001.bin'
    assert sorted(path.name for path in (tmp_path / 'out/points').iterdir()) == ['000001.bin', '000003.bin']


@pytest.mark.parametrize(
    'intrinsics', [np.zeros((3, 3)), np.diag([50.0, 0.0, 1.0]), np.full((3, 3), np.nan), np.zeros((0, 0))]
)
def test_image_with_singular_intrinsics_is_skipped(tmp_path, capsys, intrinsics):
    root = download(tmp_path / 'download', [scene('a', intrinsics=intrinsics), scene('b')], train=1)

    run(root, tmp_path / 'out')

    report = capsys.readouterr().out
    assert 'left out: image 1: ' in report
    assert 'singular intrinsics' in report
    assert 'train: 0 images' in report
    assert len(read_out(tmp_path / 'out', 'val')['data_list']) == 1


def test_image_whose_tilt_is_no_rotation_is_skipped(tmp_path, capsys):
    bad = scene('a') | dict(rtilt=np.diag([1.0, 1.0, 2.0]))

    run(download(tmp_path / 'download', [bad, scene('b')], train=1), tmp_path / 'out')

    assert 'an Rtilt that is not a rotation' in capsys.readouterr().out


def test_image_in_neither_split_and_object_without_2d_box_are_reported(tmp_path, capsys):
    chairs = [box('chair'), box('chair', box_2d=())]
    root = download(tmp_path / 'download', [scene('a', objects=chairs), scene('b'), scene('c')], train=1)
    folders = [f'{PREFIX}SUNRGBD/kv2/kinect2data/{name}' for name in 'ab']
    savemat(
        root / 'SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat',
        dict(alltrain=cells(folders[:1]), alltest=cells(folders[1:])),
    )

    run(root, tmp_path / 'out')

    report = capsys.readouterr().out
    assert 'left out: image 1: object 2, a chair, has no 2D box' in report
    assert 'left out: image 3: SUNRGBD/kv2/kinect2data/c is in neither split' in report
    assert 'train: 1 images with 1 objects' in report


def as_v73(path: Path) -> None:
    """The header that MATLAB writes before the HDF5 of a v7.3 file."""
    path.write_bytes(b'MATLAB 7.3 MAT-file, Platform: GLNXA64'.ljust(124) + b'\x00\x02IM' + b'\x89HDF\r\n\x1a\n')


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without_variable(path: Path) -> None:
    savemat(path, dict(other=1.0))


def without_fields(path: Path) -> None:
    variable = next(name for name in loadmat(path) if not name.startswith('__'))
    savemat(path, {variable: structs([dict(sequenceName='a')] * 3)})


def shorter(path: Path) -> None:
    variable = next(name for name in loadmat(path) if not name.startswith('__'))
    savemat(path, {variable: loadmat(path)[variable][:, :2]})


META_3D, META_2D = 'SUNRGBDMeta3DBB_v2.mat', 'SUNRGBDMeta2DBB_v2.mat'
SPLIT = 'SUNRGBDtoolbox/traintestSUNRGBD/allsplit.mat'


@pytest.mark.parametrize(
    ('name', 'damage', 'message'),
    [
        (META_3D, as_v73, 'v7.3 format .HDF5.; the official file is of v7 or earlier. .* save'),
        (META_2D, as_v73, 'v7.3 format'),
        (SPLIT, as_v73, 'v7.3 format'),
        (META_3D, cut_in_half, 'is not a readable .mat file .* Download it again'),
        (META_2D, cut_in_half, 'is not a readable .mat file'),
        (META_3D, lambda path: path.write_bytes(b''), 'is not a readable .mat file'),
        (META_3D, lambda path: path.write_text('<html>404</html>' * 20), 'is not a readable .mat file'),
        (META_3D, without_variable, 'has no variable SUNRGBDMeta'),
        (SPLIT, without_variable, 'has no variable alltrain'),
        (META_3D, without_fields, 'without depthpath, rgbpath, K, Rtilt, groundtruth3DBB'),
        (META_2D, without_fields, 'without groundtruth2DBB'),
        (META_2D, shorter, 'lists 2. Download both again'),
        (META_3D, Path.unlink, 'Download it from'),
        (META_2D, Path.unlink, 'Download it from'),
        (SPLIT, Path.unlink, 'Extract SUNRGBDtoolbox.zip'),
        ('SUNRGBD', lambda path: path.rename(path.with_name('sunrgb')), 'Extract SUNRGBD.zip'),
    ],
)
def test_unusable_download_is_an_error_that_names_the_file(root, tmp_path, name, damage, message):
    damage(root / name)

    with pytest.raises(SystemExit, match=f'^error: .*{name}.*{message}'):
        run(root, tmp_path / 'out')

    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['.sunrgbd_trainval.lock']


def test_path_out_of_the_download_is_refused(tmp_path):
    root = download(tmp_path / 'download', [scene('a'), scene('../../../elsewhere')], train=1)

    with pytest.raises(SystemExit, match=r"names '/n/fs/sun3d/data/SUNRGBD/.*elsewhere', not a path below SUNRGBD/"):
        run(root, tmp_path / 'out')


def test_no_usable_image_is_an_error(root, tmp_path):
    for depth in root.rglob('depth/0001.png'):
        depth.unlink()

    with pytest.raises(SystemExit, match=r'none of the 3 images can be used; the last: .*0001.png is missing'):
        run(root, tmp_path / 'out')

    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['.sunrgbd_trainval.lock']


def test_prepared_data_is_kept(root, tmp_path):
    run(root, tmp_path / 'out')
    before = (tmp_path / 'out/points/000001.bin').stat().st_mtime_ns

    with pytest.raises(SystemExit, match=r'points exists already: .* holds all 8 prepared files\. Delete points, '):
        run(root, tmp_path / 'out')

    assert (tmp_path / 'out/points/000001.bin').stat().st_mtime_ns == before


def test_files_that_were_lost_afterwards_are_named(root, tmp_path):
    run(root, tmp_path / 'out')
    (tmp_path / 'out/points/000002.bin').unlink()

    with pytest.raises(SystemExit, match=r'no longer holds all .* 1 of 8 .* points/000002.bin is missing\. Delete'):
        run(root, tmp_path / 'out')


def test_a_full_disk_is_one_sentence(root, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, 'No space left on device', str(path))

    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(SystemExit, match=r'^error: .*No space left on device: .*000001.bin'):
        run(root, tmp_path / 'out')

    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['.sunrgbd_trainval.lock']


def test_two_at_once_never_mix_and_a_killed_one_is_no_hindrance(root, tmp_path):
    out, holder = tmp_path / 'out', tmp_path / 'out/.sunrgbd_trainval.holder'
    command = [sys.executable, prepare_sunrgbd.__file__, '--root', str(root), '--out', str(out)]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (holder.exists() and holder.stat().st_size):
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    killed.send_signal(signal.SIGSTOP)  # in the middle, for as long as it takes
    with pytest.raises(SystemExit, match=rf'is in use: process {killed.pid} on .* preparing SUN RGB-D there since'):
        run(root, out)
    killed.kill()
    killed.wait()

    run(root, out)

    assert len(read_out(out, 'train')['data_list']) == 2
    assert not list(out.glob('.*.part'))


@pytest.mark.real
def test_real_frame_comes_out_alike(real_data, tmp_path):
    """mmdet3d's sample 000017, taken back to a download, comes out as mmdet3d's users have it.

    The samples have neither depth image nor ``.mat``: both are made from the sample's points and boxes, so this shows
    that what we do is the inverse; the pixels and colours are real (see the test of the geometry).
    """
    folder = real_data / 'mmdet3d_samples/sunrgbd'
    with (folder / 'sunrgbd_000017_infos.pkl').open('rb') as file:
        (sample,) = pickle.load(file)['data_list']
    points = points_of(folder / '000017.bin').astype(np.float64)
    depth2img = np.array(sample['images']['CAM0']['depth2img'])
    intrinsics, rotation = rq(depth2img)
    projected = points[:, :3] @ depth2img.T
    columns, rows = np.round(projected[:, :2] / projected[:, 2:]).astype(int).T
    millimetres = np.zeros((530, 730), np.uint16)
    millimetres[rows - 1, columns - 1] = np.round(projected[:, 2] * 1000)
    colour = np.asarray(Image.open(folder / 'sunrgbd_trainval/image/000001.jpg').convert('RGB'))
    objects = []
    for instance in sample['instances']:
        x1, y1, x2, y2 = instance['bbox']
        *centroid, length, width, height, yaw = instance['bbox_3d']
        name = ('bed', None, None, None, None, None, None, 'night_stand')[instance['bbox_label']]
        objects.append(box(name, yaw, centroid, np.array([width, length, height]) / 2, (x1, y1, x2 - x1, y2 - y1)))
    one = scene('000017', objects=objects, intrinsics=intrinsics)
    one |= dict(depth=encode(millimetres), colour=colour, rtilt=rotation.T @ DEPTH_TO_CAMERA)

    run(download(tmp_path / 'download', [one], train=1), tmp_path / 'out')

    (info,) = read_out(tmp_path / 'out', 'train')['data_list']
    ours = points_of(tmp_path / 'out/points/000001.bin')
    distances, nearest = cKDTree(points[:, :3]).query(ours[:, :3])
    assert distances.max() < 1e-4
    assert sorted(nearest) == list(range(50_000))
    np.testing.assert_array_equal(ours[:, 3:], points[nearest, 3:].astype(np.float32))
    for mine, theirs in zip(info['instances'], sample['instances'], strict=True):
        np.testing.assert_allclose(mine['bbox_3d'], theirs['bbox_3d'], atol=1e-6)
        np.testing.assert_allclose(mine['bbox'], theirs['bbox'], atol=1e-4)
        assert mine['bbox_label_3d'] == theirs['bbox_label_3d']
    np.testing.assert_allclose(info['images']['CAM0']['depth2img'], depth2img, atol=1e-9)
    assert sorted(info) == sorted(sample)
