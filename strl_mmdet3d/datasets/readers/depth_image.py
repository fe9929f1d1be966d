"""Reading a 16-bit depth image."""

from __future__ import annotations

import io

import numpy as np
from mmengine.fileio import get
from PIL import Image

from .frame_file import CorruptFrameError, require_regular_file

MAX_OFF_CENTRE = 0.2  # of the image's size; in one of twice the size the optical axis is off by 0.25, in a half by 0.5


def read_depth(path: str, backend_args: dict | None = None) -> np.ndarray:
    """Read a depth image.

    Args:
        path: A 16-bit greyscale PNG.
        backend_args: Arguments of mmengine's file backend.

    Returns:
        The values (H, W), uint16.

    Raises:
        CorruptFrameError: If the file cannot be read, is truncated, or is no 16-bit greyscale image.
    """
    require_regular_file(path)
    try:
        with Image.open(io.BytesIO(get(path, backend_args))) as image:
            depth = np.asarray(image)
    # What Pillow finds wrong inside a PNG is a SyntaxError or ValueError; of a huge size, a DecompressionBombError.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise CorruptFrameError(
            f'{path} cannot be read as an image ({error}). Restore it, or make the sequence index anew without it'
        ) from error
    if depth.dtype != np.uint16 or depth.ndim != 2:
        raise CorruptFrameError(
            f'{path} is no depth image: its pixels are {depth.dtype} of shape {depth.shape}, and 16-bit greyscale is '
            'expected. Was it saved as an 8-bit or colour image? Extract the depth images anew'
        )
    return depth


def check_size(shape: tuple[int, ...], intrinsics: np.ndarray, path: str) -> None:
    """Check that an image can be of the camera: its centre is about where the optical axis meets it.

    An image of half or twice the size that the intrinsics are for would otherwise be back-projected askew, in silence.

    Args:
        shape: The image's (H, W).
        intrinsics: K (3, 3), in pixels.
        path: The image's file.

    Raises:
        CorruptFrameError: If it is not.
    """
    size, centre = shape[::-1], intrinsics[:2, 2].tolist()
    if any(abs(at - (sides - 1) / 2) > MAX_OFF_CENTRE * sides for at, sides in zip(centre, size, strict=True)):
        raise CorruptFrameError(
            f'{path} has {size[0]} x {size[1]} pixels, but the centre of its camera is at ({centre[0]:g}, '
            f'{centre[1]:g}). Was it resized, or is it of another camera? Restore it, or make the sequence index anew'
        )
