"""The converters of recordings of ROS and of Argoverse 2, on files that the formats' own libraries write."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets.readers.lidar_scan import load_scan
from strl_mmdet3d.datasets.readers.point_cloud2 import read_point_cloud2
from strl_mmdet3d.datasets.sequence_index import read_sequence_index

pytest.importorskip('rosbags')
pytest.importorskip('pyarrow')
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

T0 = 1_600_000_000 * 10**9
STEP = 100_000_000
NUM = 4


@pytest.fixture
def tool():
    return importlib.import_module('convert_bags')


@pytest.fixture
def index_tool():
    return importlib.import_module('create_sequence_index')


def cloud(i, num=300):
    rng = np.random.default_rng(i)
    xyz = np.c_[rng.uniform(1, 60, num), rng.uniform(-20, 20, num), rng.normal(-1.6, 0.4, num)]
    return np.c_[xyz, rng.uniform(0, 255, num), np.arange(num) % 32].astype(np.float32)


def pose_of(i):
    return np.array([1.5 * i, 0.1 * i, 0]), Rotation.from_euler('z', 0.05 * i).as_quat()


class Messages:
    """Makes messages of a version of ROS."""

    def __init__(self, store):
        self.types = get_typestore(store).types
        self.is_ros1 = store == Stores.ROS1_NOETIC

    def make(self, kind, /, *args, **kwargs):
        return self.types[kind](*args, **kwargs)

    def header(self, time, frame='lidar'):
        stamp = self.make('builtin_interfaces/msg/Time', sec=time // 10**9, nanosec=time % 10**9)
        kwargs = {'seq': 0} if self.is_ros1 else {}
        return self.make('std_msgs/msg/Header', stamp=stamp, frame_id=frame, **kwargs)

    def points(self, i, big_endian=False, rows=1, padding=0):
        """Points as a driver packs them: x, y, z, a gap, intensity as float32, ring as uint16, and another gap."""
        order = '>' if big_endian else '<'
        names, formats, offsets = (
            ['x', 'y', 'z', 'intensity', 'ring'],
            ['f4', 'f4', 'f4', 'f4', 'u2'],
            [0, 4, 8, 16, 20],
        )
        dtype = np.dtype({'names': names, 'formats': [order + f for f in formats], 'offsets': offsets, 'itemsize': 32})
        values = cloud(i)
        packed = np.zeros(len(values), dtype)
        for c, name in enumerate(names):
            packed[name] = values[:, c]
        data = np.frombuffer(packed.tobytes(), np.uint8).reshape(rows, -1)
        data = np.pad(data, ((0, 0), (0, padding)))
        kinds = {'f4': 7, 'u2': 4}
        fields = [
            self.make('sensor_msgs/msg/PointField', name=name, offset=offset, datatype=kinds[kind], count=1)
            for name, kind, offset in zip(names, formats, offsets, strict=True)
        ]
        return self.make(
            'sensor_msgs/msg/PointCloud2',
            header=self.header(T0 + STEP * i),
            height=rows,
            width=len(values) // rows,
            fields=fields,
            is_bigendian=big_endian,
            point_step=32,
            row_step=data.shape[1],
            data=data.ravel(),
            is_dense=True,
        )

    def _at(self, i):
        place, turn = pose_of(i)
        return (
            dict(zip('xyz', place.tolist(), strict=True)),
            self.make('geometry_msgs/msg/Quaternion', **dict(zip('xyzw', turn.tolist(), strict=True))),
        )

    def odometry(self, i):
        place, turn = self._at(i)
        pose = self.make(
            'geometry_msgs/msg/Pose', position=self.make('geometry_msgs/msg/Point', **place), orientation=turn
        )
        return self.make('geometry_msgs/msg/PoseStamped', header=self.header(T0 + STEP * i, 'map'), pose=pose)

    def transforms(self, i):
        place, turn = self._at(i)
        motion = self.make(
            'geometry_msgs/msg/Transform', translation=self.make('geometry_msgs/msg/Vector3', **place), rotation=turn
        )
        made = [
            self.make(
                'geometry_msgs/msg/TransformStamped',
                header=self.header(T0 + STEP * i, parent),
                child_frame_id=child,
                transform=motion,
            )
            for parent, child in (('map', 'base_link'), ('base_link', 'lidar'))
        ]
        return self.make('tf2_msgs/msg/TFMessage', transforms=made)


def write_bag(path, kind, rear='/rear/points', frames=('lidar',), **how):
    """Write a recording of a kind: two lidars, poses and transforms; the front one's messages once for each frame."""
    store = Stores.ROS1_NOETIC if kind == 'bag' else Stores.ROS2_HUMBLE
    types, messages = get_typestore(store), Messages(store)
    plugin = {'mcap': StoragePlugin.MCAP, 'db3': StoragePlugin.SQLITE3}
    path = path / ('drive.bag' if kind == 'bag' else 'drive')
    with Writer1(path) if kind == 'bag' else Writer2(path, version=9, storage_plugin=plugin[kind]) as writer:
        topics = {'/front/points': 'sensor_msgs/msg/PointCloud2', '/poses': 'geometry_msgs/msg/PoseStamped'}
        topics[rear] = 'sensor_msgs/msg/PointCloud2'
        if kind != 'bag':  # whose store has no tf2_msgs
            topics['/tf'] = 'tf2_msgs/msg/TFMessage'
        made = {topic: writer.add_connection(topic, of, typestore=types) for topic, of in topics.items()}
        pack = types.serialize_ros1 if kind == 'bag' else types.serialize_cdr
        for i in range(NUM):
            contents = {'/front/points': messages.points(i, **how), rear: messages.points(100 + i)}
            contents['/poses'] = messages.odometry(i)
            if '/tf' in topics:
                contents['/tf'] = messages.transforms(i)
            contents[rear].header = messages.header(T0 + STEP * i)
            for topic, message in contents.items():
                for frame in frames if topic == '/front/points' else [None]:
                    if frame:
                        message.header = messages.header(T0 + STEP * i, frame)
                    writer.write(made[topic], T0 + STEP * i + 5_000_000, pack(message, topics[topic]))
    if kind == 'mcap':
        (path,) = path.glob('*.mcap')
    return path


@pytest.mark.parametrize('kind', ['bag', 'db3', 'mcap'])
def test_recordings_are_converted_bit_for_bit_and_indexed_with_their_poses(tmp_path, tool, index_tool, kind, capsys):
    bag, out = write_bag(tmp_path, kind), tmp_path / 'out'
    tool.main([str(bag), '--out', str(out), '--poses', '/poses'])
    assert f'{out}/front_points: {NUM} scans of x, y, z, intensity, ring' in capsys.readouterr().out
    for i in range(NUM):
        for folder, seed in ('front_points', i), ('rear_points', 100 + i):
            scan = load_scan(str(out / folder / f'{T0 + STEP * i}.npy'))
            np.testing.assert_array_equal(scan.records, cloud(seed))
    arguments = ['folder', '--root', str(out), '--poses', 'poses.txt', '--out', str(out / 's.json')]
    index_tool.main(arguments)
    _, (front, rear) = read_sequence_index(out / 's.json')
    assert (front.sequence_id, rear.sequence_id) == ('front_points', 'rear_points')
    np.testing.assert_allclose(front.timestamps, 0.1 * np.arange(NUM), atol=1e-9)
    np.testing.assert_allclose(front.poses[:, :3, 3], [pose_of(i)[0] for i in range(NUM)], atol=1e-9)


@pytest.mark.parametrize('how', [{'big_endian': True}, {'rows': 3}, {'rows': 3, 'padding': 40}])
def test_organised_and_big_endian_clouds_are_the_same_points(tmp_path, tool, how):
    out = tmp_path / 'out'
    tool.main([str(write_bag(tmp_path, 'db3', **how)), '--out', str(out), '--topic', '/front/points'])
    np.testing.assert_array_equal(np.load(out / f'front_points/{T0}.npy'), cloud(0))
    assert not (out / 'rear_points').exists()


def message(points, height=1, kind='f4'):
    """A message of x, y, z and the intensity, (N, 4)."""
    data = points.astype(kind)
    fields = [
        SimpleNamespace(name=name, offset=place * data.itemsize, datatype={'f4': 7, 'f8': 8}[kind], count=1)
        for place, name in enumerate(['x', 'y', 'z', 'intensity'])
    ]
    step = 4 * data.itemsize
    width = len(points) // height
    return SimpleNamespace(
        fields=fields,
        is_bigendian=False,
        point_step=step,
        row_step=width * step,
        height=height,
        width=width,
        data=data.tobytes(),
    )


def test_no_returns_of_an_organised_cloud_are_dropped():
    points = np.random.default_rng(0).uniform(1, 9, (40, 4)).astype(np.float32)
    points[::2, :3] = np.nan
    points[1, 0] = np.nan  # damage
    np.testing.assert_array_equal(read_point_cloud2(message(points, height=2))[0], points[1::2])
    np.testing.assert_array_equal(read_point_cloud2(message(points))[0], points)


def test_coordinates_of_a_map_keep_their_millimetres(tmp_path):
    points = np.random.default_rng(0).uniform(0, 50, (60, 4)) + np.array([4e5, 5.5e6, 0, 0])
    records, names = read_point_cloud2(message(points, kind='f8'))
    np.testing.assert_array_equal(records, points)
    assert names == ['x', 'y', 'z', 'intensity']
    np.save(tmp_path / '0.npy', records)
    scan = load_scan(str(tmp_path / '0.npy'))
    np.testing.assert_allclose(scan.records[:, :3] + np.array(scan.origin), points[:, :3], atol=1e-4)


@pytest.mark.parametrize('topics', [[], ['--topic', '/points']])
def test_a_topic_without_a_message_is_told(tmp_path, tool, topics):
    with Writer2(tmp_path / 'drive', version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        types = get_typestore(Stores.ROS2_HUMBLE)
        writer.add_connection('/points', 'sensor_msgs/msg/PointCloud2', typestore=types)
    with pytest.raises(SystemExit, match=r'drive has no message of /points'):
        tool.main([str(tmp_path / 'drive'), '--out', str(tmp_path / 'out'), *topics])


@pytest.mark.parametrize('kind', ['bag', 'db3', 'mcap'])
def test_damaged_recordings_are_refused_by_name_or_read(tmp_path, tool, kind):
    bag = write_bag(tmp_path, kind)
    file = bag if bag.is_file() else next(bag.glob('*.db3'))
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    refused = []
    for number in range(8):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=4):
            damaged[place] ^= 0xFF
        file.write_bytes(whole[: len(whole) * number // 4] if number < 4 else damaged)
        try:
            tool.main([str(bag), '--out', str(tmp_path / f'out_{number}')])
        except SystemExit as error:
            refused.append(str(error))
    assert len(refused) >= 3
    assert all(str(bag) in said for said in refused)


def test_no_scan_is_written_over_another(tmp_path, tool, capsys):
    for name, how, said in [
        (
            'topics',
            dict(rear='/front_points'),
            r'/front/points and /front_points would both be written to front_points',
        ),
        ('sensors', dict(frames=('a', 'b')), r'messages of /front/points are of several sensors, a and b\.'),
    ]:
        (tmp_path / name).mkdir()
        with pytest.raises(SystemExit, match=said):
            tool.main([str(write_bag(tmp_path / name, 'mcap', **how)), '--out', str(tmp_path / name / 'out')])
    out = tmp_path / 'out'
    tool.main([str(write_bag(tmp_path, 'mcap', frames=('a', 'a'))), '--out', str(out), '--topic', '/front/points'])
    assert f'{NUM} scans of x, y, z, intensity, ring; {NUM} more have the time of another one and are left out' in (
        capsys.readouterr().out
    )
    np.testing.assert_array_equal(np.load(out / f'front_points/{T0}.npy'), cloud(0))


def test_transforms_are_poses_once_chosen(tmp_path, tool):
    bag, out = write_bag(tmp_path, 'mcap'), tmp_path / 'out'
    arguments = [str(bag), '--out', str(out), '--poses', '/tf']
    with pytest.raises(SystemExit, match=r'/tf has many transforms\. Choose one by --tf-frames PARENT CHILD'):
        tool.main(arguments)
    with pytest.raises(SystemExit, match=r'no pose from map to odom'):
        tool.main([*arguments, '--tf-frames', 'map', 'odom'])
    tool.main([*arguments, '--tf-frames', 'map', '/base_link'])
    rows = np.loadtxt(out / 'poses.txt')
    np.testing.assert_allclose(rows[:, 1:4], [pose_of(i)[0] for i in range(NUM)])
    np.testing.assert_allclose(rows[:, 4:], [pose_of(i)[1] for i in range(NUM)])


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--topic', '/points'], r'has no /points of the right type\. Its topics: /front/points \(sensor_msgs'),
        (['--poses', '/odometry'], r'has no /odometry'),
        (['--topic', '/tf'], r'has no /tf of the right type'),
        (['--poses', '/front/points'], r'/front/points is of sensor_msgs/msg/PointCloud2, which has no poses'),
    ],
)
def test_wrong_topics_are_named(tmp_path, tool, arguments, said):
    with pytest.raises(SystemExit, match=said):
        tool.main([str(write_bag(tmp_path, 'mcap')), '--out', str(tmp_path / 'out'), *arguments])


@pytest.mark.parametrize('name', ['a.bag', 'a.db3', 'a.mcap'])
@pytest.mark.parametrize('content', [None, b'', b'x' * 100])
def test_broken_recordings_are_refused_in_one_sentence(tmp_path, tool, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit, match=r'error: .*cannot be read as a recording of ROS'):
        tool.main([str(tmp_path / name), '--out', str(tmp_path / 'out')])


def test_argoverse_2_is_converted_bit_for_bit_and_indexed_with_its_poses(tmp_path, index_tool):
    import pyarrow
    from pyarrow.feather import write_feather

    start = 315_966_265_259_836_000
    log = tmp_path / 'train/0000-log'
    (log / 'sensors/lidar').mkdir(parents=True)
    for i in range(NUM):
        values = cloud(i)
        columns = {name: values[:, c].astype(np.float16) for c, name in enumerate('xyz')}
        columns |= {'intensity': values[:, 3].astype(np.uint8), 'laser_number': values[:, 4].astype(np.uint8)}
        columns['offset_ns'] = np.arange(len(values), dtype=np.int32)
        write_feather(pyarrow.table(columns), str(log / f'sensors/lidar/{start + STEP * i}.feather'))
    numbers = np.arange(-2, 2 * NUM)  # the poses are denser than the sweeps
    places, turns = zip(*(pose_of(i / 2) for i in numbers), strict=True)
    poses = {'timestamp_ns': start + STEP // 2 * numbers}
    poses |= {f'q{axis}': np.array(turns)[:, c] for c, axis in enumerate('xyzw')}
    poses |= {f't{axis}_m': np.array(places)[:, c] for c, axis in enumerate('xyz')}
    write_feather(pyarrow.table(poses), str(log / 'city_SE3_egovehicle.feather'))

    tool, out = importlib.import_module('convert_argoverse2'), tmp_path / 'out'
    tool.main([str(tmp_path / 'train'), '--out', str(out)])
    for i in range(NUM):
        records = np.load(out / f'0000-log/lidar/{start + STEP * i:019d}.npy')
        expected = cloud(i)
        expected[:, :3] = expected[:, :3].astype(np.float16)
        np.testing.assert_array_equal(records, np.floor(expected * (0, 0, 0, 1, 1)) + expected * (1, 1, 1, 0, 0))
    index_tool.main(['folder', '--root', str(out), '--poses', 'poses.txt', '--out', str(out / 's.json')])
    _, (sequence,) = read_sequence_index(out / 's.json')
    np.testing.assert_allclose(sequence.timestamps, 0.1 * np.arange(NUM), atol=1e-9)
    np.testing.assert_allclose(sequence.poses[:, :3, 3], [pose_of(i)[0] for i in range(NUM)], atol=1e-9)

    (log / 'city_SE3_egovehicle.feather').write_bytes(b'ARROW1')
    with pytest.raises(SystemExit, match=r'city_SE3_egovehicle\.feather cannot be read'):
        tool.main([str(tmp_path / 'train'), '--out', str(out)])
    with pytest.raises(SystemExit, match=r'no LOG/sensors/lidar/\*\.feather below'):
        tool.main([str(tmp_path / 'val'), '--out', str(out)])
