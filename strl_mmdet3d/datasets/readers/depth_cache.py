"""An optional cache of decoded depth images on a disk."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...atomic_write import written_whole
from .depth_png import MAX_NUM_PIXELS
from .npy_header import read_npy_header


class DepthCache:
    """Decoded images as .npy files in a folder, which processes and runs may share.

    A file's name depends on the image's path, size and modification time, so an image that was replaced is decoded
    again, and so is one whose file here is damaged. Files that are no longer needed stay until the folder is deleted.
    An image of 640 x 480 pixels takes 0.6 MB, about seven times its PNG.

    Args:
        folder: The cache's folder; made if it is missing.

    Raises:
        OSError: If the folder cannot be made.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, path: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Return a decoded image.

        Args:
            path: The image's file, on a local disk.
            decode: Decodes and checks the image; called if the cache does not have it.

        Returns:
            The image that `decode` returns or returned, uint16 (H, W).

        Raises:
            OSError: If the cache cannot be written; the message names the cache's folder.
        """
        try:
            state = os.stat(path)  # noqa: PTH116 - several times faster for a str
        except OSError:  # it is lost; `decode` says so
            return decode()
        key = f'{os.path.abspath(path)}\n{state.st_size}\n{state.st_mtime_ns}'  # noqa: PTH100
        cached = self.folder / f'{hashlib.sha256(key.encode()).hexdigest()}.npy'
        kept = _read_image(cached)
        if kept is not None:
            return kept
        image = decode()
        try:
            with written_whole(cached) as part, part.open('wb') as file:
                np.save(file, image, allow_pickle=False)
        except OSError as error:
            raise OSError(
                f'{self.folder}, the cache of decoded frames, cannot be written ({error.strerror or error}). '
                'Make room, or leave cache_dir out of LoadDepthFrame'
            ) from error
        return image


def _read_image(cached: Path) -> np.ndarray | None:
    """Read a kept image, uint16 (H, W); None if there is none, or if its file is damaged."""
    if not cached.is_file():
        return None
    try:
        with cached.open('rb') as file:
            shape, fortran_order, dtype = read_npy_header(file)
            num_pixels = math.prod(shape)
            if len(shape) != 2 or fortran_order or dtype != np.uint16 or num_pixels > MAX_NUM_PIXELS:
                return None
            values = np.fromfile(file, np.uint16, num_pixels)
            return values.reshape(shape) if values.size == num_pixels and not file.read(1) else None
    except (OSError, ValueError):
        return None
