"""What is said of an index before a training: right numbers of good data, and a sentence for each fault."""

from __future__ import annotations

import numpy as np
import pytest
from depth_data import write_scene
from made_sequences import HEIGHT, drive, write_drive
from pypcd4 import PointCloud
from scipy.spatial.transform import Rotation

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.datasets.sources import DepthFrameLister, scannet_sequences
from strl_mmdet3d.evaluation import sequence_figures
from strl_mmdet3d.evaluation.frame_facts import find_ground, frame_facts, shares_in_range
from strl_mmdet3d.evaluation.pair_overlap import AS_GIVEN, CAMERA_TO_VEHICLE
from strl_mmdet3d.evaluation.raw_frames import RawFrame
from strl_mmdet3d.evaluation.sequence_facts import is_jump, sequence_facts
from strl_mmdet3d.evaluation.sequence_page import sequence_page
from strl_mmdet3d.evaluation.sequence_report import report_text
from strl_mmdet3d.evaluation.sequence_survey import choose_frames, survey_sequences
from strl_mmdet3d.evaluation.sequence_verdicts import verdicts

RANGE = [0, -40, -3, 70.4, 40, 1]


def survey(root, **arguments):
    return survey_sequences(str(root / 'index.json'), str(root), **arguments)


def only_verdict(root, **arguments):
    said = verdicts(survey(root, **arguments))
    assert len(said) == 1, said
    return said[0]


def test_scans_of_nothing_but_ground_say_nothing_about_their_poses(tmp_path):
    write_drive(tmp_path)
    for file in tmp_path.glob('*.bin'):
        scan = np.fromfile(file, np.float32).reshape(-1, 4)
        scan[:, 2] = -HEIGHT
        scan.tofile(file)
    found = survey(tmp_path)
    assert found.overlaps == []
    assert not any('meet' in said for said in verdicts(found))


@pytest.mark.parametrize('number', [1, 2, 2999, 3000, 3001, 4096, 5999, 8999, 29_000])
def test_the_rows_of_the_histograms_are_from_the_whole_frame(number):
    values = np.column_stack([np.arange(number), np.ones((number, 2)), np.zeros(number)]).astype(np.float32)
    facts = frame_facts(RawFrame('a.bin', values, [*list('xyz'), 'intensity'], number, 0, 0, np.eye(3)), None)
    assert len(facts.samples) == min(number, 3000)
    assert facts.samples[-1, 0] == number - 1
    assert np.diff(facts.samples[:, 0]).max(initial=1) <= number // 3000 + 2


def test_a_good_drive_is_described_by_its_numbers_and_has_no_verdict(tmp_path):
    write_drive(tmp_path)
    found = survey(tmp_path, point_cloud_range=RANGE)
    assert verdicts(found) == []
    (sequence,) = found.sequences
    assert (sequence.seconds, sequence.rate, sequence.metres) == pytest.approx((0.7, 10, 7))
    np.testing.assert_allclose(sequence.speeds, 10)
    np.testing.assert_allclose(sequence.turns, np.degrees(0.02) * 10)
    (frame,) = found.frames
    assert frame.path == '004.bin'  # the middle of the sequence
    assert frame.columns == ['x', 'y', 'z', 'distance', 'intensity']
    assert frame.ground.height == pytest.approx(HEIGHT, abs=0.05)
    assert frame.ground.tilt < 1
    assert frame.azimuth == 360
    assert frame.in_range == pytest.approx(0.5, abs=0.15)
    (overlap,) = found.overlaps
    assert overlap.frames == ('004.bin', '006.bin')  # 2 m on
    assert overlap.best == AS_GIVEN
    assert overlap.as_given > overlap.unaligned + 0.2
    text = report_text(found)
    assert text.startswith('Nothing stands out')
    assert '8 LiDAR scans in 1 sequences' in text
    assert f'the sensor is {HEIGHT:.1f}' in text


@pytest.mark.parametrize(
    ('wrong', 'reading'),
    [
        (np.linalg.inv, 'inverted'),
        (lambda poses: poses @ with_rotation(CAMERA_TO_VEHICLE), 'as poses of a camera'),
        (lambda poses: poses @ with_rotation(CAMERA_TO_VEHICLE.T), 'as poses of a vehicle'),
    ],
)
def test_a_wrong_convention_of_the_poses_is_named(tmp_path, wrong, reading):
    write_drive(tmp_path, written_poses=wrong(drive(8)))
    assert f'by the poses {reading}' in only_verdict(tmp_path)


def with_rotation(rotation):
    pose = np.eye(4)
    pose[:3, :3] = rotation
    return pose


def test_poses_of_another_drive_put_frames_apart(tmp_path):
    poses = drive(8)
    poses[:, 1, 3] = np.arange(8) * 3  # sideways
    write_drive(tmp_path, written_poses=poses)
    assert 'the poses put frames apart: of the points of a frame' in only_verdict(tmp_path)


def test_a_jump_of_the_pose_and_a_gap_of_time_are_named_by_frame(tmp_path):
    poses = drive(8)
    poses[2:, 0, 3] += 30
    write_drive(tmp_path, written_poses=poses)
    assert '1 jumps of the pose in 1 sequences: 002.bin is 31 m and' in only_verdict(tmp_path)
    poses = drive(8)
    poses[1:, 0, 3] += 9  # the car went on
    write_drive(tmp_path, written_poses=poses, timestamps=np.array([0, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]))
    assert '1 gaps of time in 1 sequences: 001.bin comes 1 s after the frame before it' in only_verdict(tmp_path)


def test_times_that_stand_still_or_run_backwards_are_named():
    frames = [f'{n}.bin' for n in range(6)]
    times = np.array([0, 0.1, 0.1, 0.2, 0.15, 0.3])
    said = sequence_facts(FrameSequence('s', frames, timestamps=times)).time_gaps
    assert said == ['4.bin is 0.05 s earlier than the frame before it', '2.bin has the time of the frame before it']


def test_a_steady_turn_without_time_stamps_is_no_jump():
    facts = sequence_facts(FrameSequence('s', [f'{n}.bin' for n in range(50)], poses=drive(50, turn=0.2)))
    assert facts.jumps == []
    assert facts.per == 'frame'
    assert list(np.flatnonzero(is_jump(np.array([1, 1, 1, 9, 1, 1, 1.0]), 2))) == [3]


def test_one_bright_reflector_makes_no_other_scale(tmp_path):
    """As of Waymo: `create_sequence_index.py` says the same."""
    write_drive(tmp_path)
    for file in tmp_path.glob('*.bin'):
        scan = np.fromfile(file, np.float32).reshape(-1, 4)
        scan[7, 3] = 27
        scan.tofile(file)
    assert not any('intensity' in said for said in verdicts(survey(tmp_path)))


def test_the_scale_of_intensities_and_the_setting_are_named(tmp_path):
    write_drive(tmp_path, intensity=255)
    said = only_verdict(tmp_path)
    assert 'intensity goes up to 25' in said
    assert 'set LoadFrame(intensity_scale=1 / 255)' in said
    write_drive(tmp_path, intensity=0)
    assert 'intensity is 0 in all points looked at' in only_verdict(tmp_path)


def test_a_range_that_does_not_fit_is_told(tmp_path):
    write_drive(tmp_path)
    said = verdicts(survey(tmp_path, point_cloud_range=[0, -40, -1, 70, 40, 3]))
    assert any('the ground is at z = -1.7' in sentence for sentence in said)
    assert 'only ' in only_verdict(tmp_path, point_cloud_range=[50, 50, -3, 70, 70, 1])
    inside, cut = shares_in_range(np.array([[1, 0, 0], [1, 0, 5], [-1, 0, 0], [2, 0, 0.0]]), [0, -1, -1, 3, 1, 1])
    assert (inside, cut) == (0.5, pytest.approx(1 / 3))


def test_a_tilted_sensor_and_z_that_does_not_point_up_are_told(tmp_path):
    rng = np.random.default_rng(0)
    road = np.column_stack([rng.uniform(-20, 20, (20000, 2)), rng.normal(0, 0.02, 20000)]) - [0, 0, 1.5]
    tilted = Rotation.from_euler('y', 12, degrees=True).apply(road)
    ground = find_ground(tilted)
    assert ground.tilt == pytest.approx(12, abs=0.5)
    assert ground.height == pytest.approx(1.5, abs=0.1)
    assert find_ground(road * [1, 1, -1]) is None  # above the sensor
    assert find_ground(road[:5]) is None
    rows = np.column_stack([tilted, rng.random(len(tilted))]).astype(np.float32)
    rows.tofile(tmp_path / '0.bin')
    write_sequence_index(tmp_path / 'index.json', dict(load_dim=4), [FrameSequence('s', ['0.bin'])])
    said = verdicts(survey(tmp_path))
    assert any('the ground is tilted by 1' in sentence for sentence in said)
    rows[:, 2] *= -1
    rows.tofile(tmp_path / '0.bin')
    assert any('no ground is found below the sensor in 1 of 1' in sentence for sentence in verdicts(survey(tmp_path)))


def test_bad_frames_are_counted_and_named_and_the_others_are_looked_at(tmp_path):
    write_drive(tmp_path)
    (tmp_path / '004.bin').write_bytes(b'123')
    found = survey(tmp_path, frames_per_sequence=8)
    assert [path for path, _ in found.bad] == ['004.bin']
    assert len(found.frames) == 7
    assert verdicts(found)[0].startswith('1 of the 8 frames looked at cannot be used, the first is 004.bin: ')
    assert 'Frames that cannot be used' in report_text(found)
    only = survey(tmp_path)  # that one alone
    assert only.frames == []
    assert 'cannot be used' in report_text(only)
    assert 'cannot be used' in sequence_page(only)
    assert 'Histograms' not in sequence_page(only)


def test_nan_and_empty_records_are_counted(tmp_path):
    write_drive(tmp_path, num_frames=1)
    rows = np.fromfile(tmp_path / '000.bin', np.float32).reshape(-1, 4)
    rows[: len(rows) // 5] = np.nan
    rows[-10:] = 0
    rows.tofile(tmp_path / '000.bin')
    found = survey(tmp_path)
    (frame,) = found.frames
    assert (frame.num_records, frame.num_broken, frame.num_empty) == (len(rows), len(rows) // 5, 10)
    said = verdicts(found)
    assert any('20% of the records of 000.bin are NaN or Inf' in sentence for sentence in said)
    assert any('1 of 1 sequences have one frame' in sentence for sentence in said)


def test_depth_frames_are_seen_upright_and_a_wrong_scale_is_told(tmp_path):
    write_scene(tmp_path / 'room', range(4))
    sequences = list(scannet_sequences(tmp_path, DepthFrameLister()))
    write_sequence_index(tmp_path / 'index.json', {}, sequences)
    found = survey(tmp_path)
    assert found.kind == 'depth'
    (frame,) = found.frames
    assert frame.columns == ['x', 'y', 'z', 'distance']
    assert frame.num_records == 30 * 40
    assert frame.num_points + frame.num_empty == frame.num_records
    write_sequence_index(tmp_path / 'index.json', dict(depth_scale=50), sequences)
    said = verdicts(survey(tmp_path))
    assert any('which no room has: check the depth scale (units per metre, now 50)' in sentence for sentence in said)


def test_shapes_are_counted_by_label(tmp_path):
    np.savez(tmp_path / 'shapes.npz', points=np.random.default_rng(0).normal(size=(6, 50, 3)).astype(np.float32))
    shapes = [FrameSequence(f's{n}', [f'shapes.npz/{n:06d}'], label=n % 2) for n in range(6)]
    write_sequence_index(tmp_path / 'index.json', dict(source='shapes', classes=['bed', 'cup']), shapes)
    found = survey(tmp_path, max_frames=4)
    assert found.kind == 'shape'
    assert len(found.frames) == 4
    assert verdicts(found) == []
    text = report_text(found)
    assert 'labels: bed 3, cup 3' in text
    assert 'points per frame: 50 to 50' in text


@pytest.mark.parametrize(
    ('lengths', 'per_sequence', 'max_frames', 'chosen'),
    [
        ([3, 1, 8], 1, 100, [(0, 1), (1, 0), (2, 4)]),
        ([8, 2], 4, 100, [(0, 1), (0, 3), (0, 5), (0, 7), (1, 0), (1, 1)]),
        ([1] * 9, 1, 3, [(0, 0), (4, 0), (8, 0)]),
        ([5], 9, 1, [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)]),
    ],
)
def test_frames_are_chosen_evenly(lengths, per_sequence, max_frames, chosen):
    assert choose_frames(lengths, per_sequence, max_frames) == chosen


def test_the_page_needs_no_other_file_and_shows_names_as_text(tmp_path, monkeypatch):
    monkeypatch.setattr(sequence_figures, 'MAX_DRAWN', 300)
    name = '<script>alert(1)</script>$x_{$'
    write_drive(tmp_path, sequence_id=name)
    page = sequence_page(survey(tmp_path, point_cloud_range=RANGE))
    assert '<script' not in page
    assert '&lt;script&gt;alert(1)' in page
    assert page.count('src="data:image/png;base64,') == page.count('src=') == 4
    assert 'href' not in page


def test_frames_of_different_widths_are_told(tmp_path):
    """Files that say themselves what they hold."""
    write_drive(tmp_path)
    for n in range(4):
        scan = np.fromfile(tmp_path / f'{n:03d}.bin', np.float32).reshape(-1, 4)[:, : 3 if n == 2 else 4]
        names = ('x', 'y', 'z', 'intensity')[: scan.shape[1]]
        PointCloud.from_points(list(scan.T), names, (np.float32,) * len(names)).save(tmp_path / f'{n}.pcd')
    write_sequence_index(tmp_path / 'index.json', {}, [FrameSequence(f'{n}', [f'{n}.pcd']) for n in range(4)])
    said = [line for line in verdicts(survey(tmp_path)) if 'another number of values' in line]
    assert said == [
        '1 of 4 frames have another number of values than the first, which has 4: LoadFrame(load_dim=...) takes one '
        'number, so make an index of each kind'
    ]
