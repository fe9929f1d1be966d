"""The cache of decoded frames: it gives the same points, and never the points of an image that was replaced."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.transforms import LoadDepthFrame
from strl_mmdet3d.datasets.transforms import load_depth as load_depth_module

INTRINSICS = np.array([[20.0, 0, 15.5], [0, 20, 11.5], [0, 0, 1]])


@pytest.fixture
def frame(tmp_path):
    write(tmp_path / '0.png', seed=0)
    return dict(depth_path=str(tmp_path / '0.png'), intrinsics=INTRINSICS, camera2view=np.eye(4))


@pytest.fixture
def decoded(monkeypatch):
    """The paths that were decoded, one by one."""
    paths, read = [], load_depth_module.read_depth
    monkeypatch.setattr(load_depth_module, 'read_depth', lambda path, *args: paths.append(path) or read(path, *args))
    return paths


def write(path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 5000, (24, 32)).astype(np.uint16)).save(path)


def load(frame, **options):
    return LoadDepthFrame(**options)({'depth_frame': dict(frame)})['points'].tensor.numpy()


def test_a_kept_frame_gives_the_same_points_and_is_decoded_once(frame, tmp_path, decoded):
    expected = load(frame)
    assert len(decoded) == 1
    for _ in range(3):
        np.testing.assert_array_equal(load(frame, cache_dir=str(tmp_path / 'cache')), expected)
    assert len(decoded) == 2
    assert [path.suffix for path in (tmp_path / 'cache').iterdir()] == ['.npy']


def test_an_image_that_is_replaced_is_decoded_anew(frame, tmp_path):
    cache = str(tmp_path / 'cache')
    before = load(frame, cache_dir=cache)
    write(tmp_path / '0.png', seed=1)
    os.utime(tmp_path / '0.png', ns=(1, 1))
    after = load(frame, cache_dir=cache)
    np.testing.assert_array_equal(after, load(frame))
    assert after.shape != before.shape or (after != before).any()


def test_a_damaged_image_is_not_kept(frame, tmp_path):
    path = tmp_path / '0.png'
    path.write_bytes(path.read_bytes()[:60])
    for _ in range(2):
        with pytest.raises(CorruptFrameError, match=r'is not a depth image.*it is truncated'):
            load(frame, cache_dir=str(tmp_path / 'cache'))
    assert not list((tmp_path / 'cache').iterdir())


@pytest.mark.parametrize(
    'damage',
    [
        lambda content: b'',
        lambda content: content[:-1],
        lambda content: content + b'x',
        lambda content: b'no array',
        lambda content: content.replace(b'<u2', b'<i2'),
        lambda content: content.replace(b'(24, 32)', b'(24,9**9)'),
        lambda content: content.replace(b'(24, 32), ', b'(99999, 99999), ')[: len(content)],
        lambda content: content.replace(b"'fortran_order': False", b"'fortran_order': True "),
    ],
)
def test_a_damaged_file_of_the_cache_is_decoded_again(frame, tmp_path, decoded, damage):
    expected = load(frame, cache_dir=str(tmp_path / 'cache'))
    (path,) = (tmp_path / 'cache').iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    np.testing.assert_array_equal(load(frame, cache_dir=str(tmp_path / 'cache')), expected)
    assert len(decoded) == 2
    assert path.read_bytes() == whole


def test_an_image_that_is_lost_just_before_it_is_read_is_skipped(frame, tmp_path, monkeypatch):
    transform = LoadDepthFrame(cache_dir=str(tmp_path / 'cache'))
    (tmp_path / '0.png').unlink()
    monkeypatch.setattr(load_depth_module.os.path, 'isfile', lambda path: True)
    with pytest.raises(CorruptFrameError, match=r'0\.png cannot be read'):
        transform({'depth_frame': dict(frame)})


def test_a_missing_image_and_a_cache_that_cannot_be_written_are_told(frame, tmp_path, monkeypatch):
    cache = tmp_path / 'cache'
    with pytest.raises(CorruptFrameError, match='cannot be read'):
        load(dict(frame, depth_path=str(tmp_path / 'none.png')), cache_dir=str(cache))
    transform = LoadDepthFrame(cache_dir=str(cache))
    cache.rmdir()
    cache.write_text('no folder')
    with pytest.raises(OSError, match='cache of decoded frames, cannot be written'):
        transform({'depth_frame': dict(frame)})
