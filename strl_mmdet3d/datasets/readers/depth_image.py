"""Reading a 16-bit depth image, clearing the values that mark 'nothing seen', and checking that it fits its camera."""

from __future__ import annotations

import numpy as np

from .depth_pgm import SIGNATURE as PGM_SIGNATURE
from .depth_pgm import decode_depth_pgm
from .depth_png import decode_depth_png
from .frame_file import CorruptFrameError, memory_for
from .sens_file import read_sens_depth, split_sens_path
from .whole_file import read_whole

# In parts of the image's size. In an image of twice the right size the optical axis is off by 0.25, in one of half the
# right size by 0.5.
MAX_OFF_CENTRE = 0.2


def read_depth(path: str, backend_args: dict | None = None) -> np.ndarray:
    """Read a depth image.

    Args:
        path: A 16-bit greyscale PNG or PGM, which its first bytes tell; or a frame of a ``.sens`` recording, as
            :func:`sens_path` writes it.
        backend_args: Arguments of mmengine's file backend.

    Returns:
        The values (H, W), uint16.

    Raises:
        CorruptFrameError: If the file cannot be read, or its decoder refuses it.
    """
    try:
        with memory_for(path):
            if place := split_sens_path(path):
                return read_sens_depth(*place)
            content = read_whole(path, backend_args=backend_args)
            return decode_depth_pgm(content) if content.startswith(PGM_SIGNATURE) else decode_depth_png(content)
    except OSError as error:
        raise CorruptFrameError(
            f'{path} cannot be read ({error.strerror or error}). Restore it, or rebuild the sequence index without it'
        ) from error
    except CorruptFrameError:
        raise
    except ValueError as error:
        raise CorruptFrameError(
            f'{path} is not a depth image, a whole 16-bit greyscale PNG or PGM ({error}). Extract it again, or rebuild '
            'the sequence index without it'
        ) from error


def clear_beyond(depth: np.ndarray, largest: int) -> np.ndarray:
    """Set the values above the largest valid one to 0, in place: many sensors mark 'nothing seen' by their maximum.

    Args:
        depth: The image (H, W), uint16.
        largest: The largest value that is a depth.

    Returns:
        The same array.
    """
    depth[depth > largest] = 0
    return depth


def check_size(shape: tuple[int, ...], intrinsics: np.ndarray, path: str) -> None:
    """Check that an image has the size of its camera's images: the optical axis meets it near its centre.

    An image of half or twice that size would otherwise be back-projected to points that are silently wrong.

    Args:
        shape: The image's (H, W).
        intrinsics: K (3, 3), in pixels.
        path: The image's file.

    Raises:
        CorruptFrameError: If the optical axis is farther from the centre than :data:`MAX_OFF_CENTRE`.
    """
    size, centre = shape[::-1], intrinsics[:2, 2].tolist()
    if any(abs(at - (sides - 1) / 2) > MAX_OFF_CENTRE * sides for at, sides in zip(centre, size, strict=True)):
        raise CorruptFrameError(
            f'{path} has {size[0]} x {size[1]} pixels, but the centre of its camera is at ({centre[0]:g}, '
            f'{centre[1]:g}). Was it resized, or taken by another camera? Restore it, or rebuild the sequence index'
        )
