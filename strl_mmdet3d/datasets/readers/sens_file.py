"""Reading ScanNet's ``.sens`` recordings: one file per scene with the camera, and the pose and images of each frame.

A depth image is read from its place in the file, so a scene of gigabytes needs no extraction, and no second copy on the
disk. The index names it ``SCENE.sens/NUMBER@PLACE``, where the place is the byte at which the frame begins.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .depth_png import MAX_NUM_PIXELS
from .frame_file import CorruptFrameError
from .whole_file import require_regular

VERSION = 4
MAX_NAME = 4096  # bytes of the sensor's name; it is 'StructureSensor' in ScanNet
CAMERA = struct.Struct('<16f16f16f16fiiIIIIfQ')  # see read_header
FRAME = struct.Struct('<16fQQQQ')  # pose, time stamps of colour and depth in microseconds, sizes of both images
RAW, ZLIB = 0, 1  # the ways of storing depth; the third one, 2, is of a library that is not published
_FRAME_PATH = re.compile(r'(.*\.sens)/(\d{1,12})@(\d{1,18})')


@dataclass
class SensHeader:
    """What the head of a ``.sens`` file says.

    Attributes:
        intrinsics: K (3, 3) of the depth camera, in pixels.
        shape: The (H, W) of the depth images.
        depth_scale: Depth values per metre.
        is_packed: Whether the depth images are packed by zlib.
        num_frames: How many frames the file should hold.
        size: Bytes of the head, after which the first frame begins.
    """

    intrinsics: np.ndarray
    shape: tuple[int, int]
    depth_scale: float
    is_packed: bool
    num_frames: int
    size: int


@dataclass
class SensFrame:
    """A frame of a ``.sens`` file.

    Attributes:
        number: Its number in the file, from 0.
        place: The byte at which it begins.
        pose: (4, 4), camera to world, metres; -inf where the reconstruction lost the camera.
        time: The depth image's time stamp in seconds; 0 where the sensor gave none.
    """

    number: int
    place: int
    pose: np.ndarray
    time: float


def sens_path(file: str, frame: SensFrame) -> str:
    """Return the path that names a frame of a ``.sens`` file in a sequence index."""
    return f'{file}/{frame.number:06d}@{frame.place}'


def split_sens_path(path: str) -> tuple[str, int] | None:
    """Split a frame's path into the ``.sens`` file and the frame's place; None if the path names a plain file."""
    match = _FRAME_PATH.fullmatch(path)
    return (match[1], int(match[3])) if match else None


def read_header(file: BinaryIO) -> SensHeader:
    """Read the head of an open ``.sens`` file from its beginning, or raise a ValueError.

    It holds the version (uint32), the sensor's name (its length as uint64, and the bytes), the intrinsics and
    extrinsics of the colour and of the depth camera (four 4x4 float32), the ways of storing colour and depth (int32),
    the widths and heights of colour and depth (uint32), the depth values per metre (float32), and the number of frames
    (uint64), all little-endian.
    """
    version, name_length = struct.unpack('<IQ', _read(file, 12))
    if version != VERSION:
        raise ValueError(f'it has the version {version}, but {VERSION} is expected')
    if name_length > MAX_NAME:
        raise ValueError(f'the name of its sensor has {name_length} bytes')
    _read(file, name_length)
    values = CAMERA.unpack(_read(file, CAMERA.size))
    (_, storage, _, _, width, height, scale, num_frames) = values[64:]
    if storage not in (RAW, ZLIB):
        raise ValueError(f'its depth is stored in the way {storage}, but {RAW} (raw) or {ZLIB} (zlib) is expected')
    if not 0 < width * height <= MAX_NUM_PIXELS:
        raise ValueError(f'its depth images have {width} x {height} pixels')
    if not 0 < scale < np.inf:
        raise ValueError(f'it has {scale} depth values per metre')
    intrinsics = np.array(values[32:48], dtype=np.float64).reshape(4, 4)[:3, :3]
    return SensHeader(intrinsics, (height, width), float(scale), storage == ZLIB, num_frames, file.tell())


def walk_frames(file: BinaryIO, header: SensHeader) -> Iterator[SensFrame]:
    """Go through the frames of an open ``.sens`` file without reading their images.

    Yields:
        The frames that are whole, in the file's order.

    Raises:
        ValueError: At the first frame that is not whole.
    """
    end = file.seek(0, 2)
    place = header.size
    for number in range(header.num_frames):
        file.seek(place)
        try:
            *pose, _, time, colour_bytes, depth_bytes = FRAME.unpack(_read(file, FRAME.size))
        except ValueError as error:
            raise ValueError(f'it ends after {number} of {header.num_frames} frames') from error
        after = place + FRAME.size + colour_bytes + depth_bytes
        if after > end:
            raise ValueError(f'it ends after {number} of {header.num_frames} frames')
        yield SensFrame(number, place, np.array(pose, dtype=np.float64).reshape(4, 4), time / 1e6)
        place = after


def read_sens_depth(path: str, place: int) -> np.ndarray:
    """Read one depth image of a ``.sens`` file.

    Args:
        path: The file, on a local disk.
        place: The byte at which the frame begins.

    Returns:
        The values (H, W), uint16.

    Raises:
        CorruptFrameError: If the file cannot be read, no frame begins there, or its image is not whole.
    """
    try:
        require_regular(path)
        with Path(path).open('rb') as file:
            header = read_header(file)
            file.seek(place)
            *_, colour_bytes, depth_bytes = FRAME.unpack(_read(file, FRAME.size))
            num_bytes = 2 * header.shape[0] * header.shape[1]
            # zlib makes incompressible data longer by five bytes for each 16 KiB; raw images are never longer.
            if place < header.size or depth_bytes > num_bytes + num_bytes // 1000 + 1000:
                raise ValueError(f'no frame begins at byte {place}')
            file.seek(colour_bytes, 1)
            stored = _read(file, depth_bytes)
        pixels = _unpack(stored, num_bytes) if header.is_packed else stored
        if len(pixels) != num_bytes:
            raise ValueError(f'a depth image has {len(pixels)} bytes instead of {num_bytes}')
        return np.frombuffer(pixels, '<u2').reshape(header.shape).astype(np.uint16)
    except (OSError, ValueError, OverflowError) as error:
        raise CorruptFrameError(
            f'{path} cannot be read as a .sens recording at byte {place} ({error}). Download it again, or rebuild the '
            'sequence index without it'
        ) from error


def _unpack(stored: bytes, num_bytes: int) -> bytes:
    """Unpack an image, but never more than a byte beyond its size, or raise a ValueError."""
    inflate = zlib.decompressobj()
    try:
        pixels = inflate.decompress(stored, num_bytes + 1)
    except zlib.error as error:
        raise ValueError(f'a depth image cannot be unpacked: {error}') from error
    if not inflate.eof:
        raise ValueError('a depth image is cut off, or longer than its camera says')
    return pixels


def _read(file: BinaryIO, number: int) -> bytes:
    """Read exactly this number of bytes, or raise a ValueError."""
    content = file.read(number)
    if len(content) < number:
        raise ValueError('it is truncated')
    return content
