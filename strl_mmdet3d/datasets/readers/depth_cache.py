"""An option: decoded depth images, kept on a disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ...atomic_write import written_whole


class DepthCache:
    """Decoded images as .npy files in a folder, which processes and runs may share.

    A file is named by the image's path, size and time of change, so an image that is replaced is decoded anew; what
    nobody needs any more stays until the folder is deleted. 640 x 480 pixels take 0.6 MB, about seven times the PNG.

    Args:
        folder: Where they are; made if it is not there.

    Raises:
        OSError: If the folder cannot be made.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, path: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Give a decoded image.

        Args:
            path: The image's file, on a local disk.
            decode: Decodes and checks it; called where the cache does not have it.

        Returns:
            What `decode` gives, a uint16 image (H, W).

        Raises:
            OSError: If the image is not there, or the cache cannot be written; names the folder.
        """
        state = os.stat(path)  # noqa: PTH116 - of a str, several times as fast
        key = f'{os.path.abspath(path)}\n{state.st_size}\n{state.st_mtime_ns}'  # noqa: PTH100
        cached = self.folder / f'{hashlib.sha256(key.encode()).hexdigest()}.npy'
        try:
            return np.load(cached, allow_pickle=False)
        except (FileNotFoundError, NotADirectoryError):
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
