"""ScanNet's .sens: every value comes back, and a damaged file is refused or read up to the damage."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from rgbd_data import CAMERA, level_walk, write_sens

from strl_mmdet3d.datasets.readers.depth_image import read_depth
from strl_mmdet3d.datasets.readers.file_of_frame import file_of_frame
from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.readers.sens_file import split_sens_path
from strl_mmdet3d.datasets.sequence_index import SequenceIndexError
from strl_mmdet3d.datasets.sources import DepthFrameLister, scannet_sequences

POSES = level_walk(5)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 2**16, (60, 80), dtype=np.uint16) for _ in POSES]


@pytest.mark.parametrize('packed', [False, True])
def test_every_value_comes_back(tmp_path, images, packed):
    poses = POSES.copy()
    poses[2] = -np.inf
    places = write_sens(tmp_path / 's/s.sens', images, poses, packed, scale=4000)
    lister = DepthFrameLister()
    (sequence,) = scannet_sequences(tmp_path, lister)
    sequence.check()
    assert sequence.frames == [f's/s.sens/{k:06d}@{places[k]}' for k in (0, 1, 3, 4)]
    for frame, k in zip(sequence.frames, (0, 1, 3, 4), strict=True):
        assert np.array_equal(read_depth(str(tmp_path / frame)), images[k])
        assert file_of_frame(frame) == 's/s.sens'
    np.testing.assert_array_equal(sequence.poses, poses[[0, 1, 3, 4]].astype(np.float32))
    np.testing.assert_array_equal(sequence.intrinsics, CAMERA)
    np.testing.assert_allclose(sequence.timestamps, np.array([0, 1, 3, 4]) * 0.033333)
    assert lister.found == {'depth_scale': 4000}
    assert {reason: len(paths) for reason, paths in lister.left_out.items()} == {'pose_not_finite': 1}


def test_a_recording_that_is_cut_off_keeps_its_whole_frames_and_says_so(tmp_path, images):
    places = write_sens(tmp_path / 's/s.sens', images, POSES)
    content = (tmp_path / 's/s.sens').read_bytes()
    for end, number in ((places[3] + 50, 3), (places[3] + 200, 3), (places[1], 1)):
        (tmp_path / 's/s.sens').write_bytes(content[:end])
        lister = DepthFrameLister()
        (sequence,) = scannet_sequences(tmp_path, lister)
        assert len(sequence.frames) == number
        assert list(lister.left_out) == ['truncated']
        assert f's.sens: it ends after {number} of 5 frames' in lister.notes[0]


@pytest.mark.parametrize(
    ('start', 'new', 'said'),
    [
        (0, struct.pack('<I', 3), 'version 3'),
        (4, struct.pack('<Q', 2**60), 'the name of its sensor has'),
        (283, struct.pack('<ii', 2, 2), 'stored in the way 2'),
        (299, struct.pack('<II', 2**31, 2**31), 'depth images have'),
        (307, struct.pack('<f', float('nan')), 'nan depth values per metre'),
    ],
)
def test_a_damaged_head_is_named(tmp_path, images, start, new, said):
    write_sens(tmp_path / 's/s.sens', images, POSES)
    content = (tmp_path / 's/s.sens').read_bytes()
    (tmp_path / 's/s.sens').write_bytes(content[:start] + new + content[start + len(new) :])
    with pytest.raises(SequenceIndexError, match=rf's\.sens is not a whole \.sens recording .*{said}'):
        list(scannet_sequences(tmp_path, DepthFrameLister()))


def test_a_changed_recording_is_refused_in_training(tmp_path, images):
    places = write_sens(tmp_path / 's.sens', images, POSES)
    for place in (5, places[2] + 1, 10**9):
        with pytest.raises(CorruptFrameError, match=r's\.sens cannot be read as a \.sens recording at byte'):
            read_depth(f'{tmp_path}/s.sens/000002@{place}')
    content = bytearray((tmp_path / 's.sens').read_bytes())
    content[places[2] + 96 + 8 + 20] ^= 255  # in the packed image, after the eight bytes of its colour image
    (tmp_path / 's.sens').write_bytes(content)
    with pytest.raises(CorruptFrameError, match='Download it again'):
        read_depth(f'{tmp_path}/s.sens/000002@{places[2]}')


def test_a_small_file_cannot_claim_much_memory(tmp_path, images):
    write_sens(tmp_path / 's.sens', [np.zeros((60, 80), np.uint16)], POSES[:1])
    content = bytearray((tmp_path / 's.sens').read_bytes())
    content[283 + 16 : 283 + 24] = struct.pack('<II', 79, 60)  # fewer pixels than are stored
    (tmp_path / 's.sens').write_bytes(content)
    with pytest.raises(CorruptFrameError, match='longer than its camera says'):
        read_depth(f'{tmp_path}/s.sens/000000@{283 + 36}')


def test_other_paths_are_plain_files():
    for path in ('a.sens', 'a.sens/1', 'a.sens/x@3', 'depth/1@2.png', 'a.sens/1@-3'):
        assert split_sens_path(path) is None
