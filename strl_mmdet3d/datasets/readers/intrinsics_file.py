"""Reading the intrinsics of a depth camera, in the forms in which data sets and toolboxes write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..sequence_index import SequenceIndexError, are_intrinsics
from .whole_file import read_text

MAX_FOCAL_RATIO = 2.0  # the pixels of depth cameras are square to a few per cent; after resizing, seldom beyond 1.5
EXPECTED = (
    'expected the invertible matrix [fx s cx; 0 fy cy; 0 0 1] with fx and fy above 0 pixels, as 3x3, 3x4 or 4x4; '
    "or the four numbers 'fx fy cx cy' in one line"
)


def read_intrinsics(path: Path) -> np.ndarray:
    """Read the intrinsics of a camera.

    The file is a text, whose commas and lines that begin with ``#`` are skipped, or Open3D's JSON. A text holds a
    matrix row by row (3x3, or 3x4 and 4x4 without a translation; its line breaks do not matter), the line ``fx fy cx
    cy``, or, in ARKitScenes' ``.pincam``, ``width height fx fy cx cy``.

    Args:
        path: The file.

    Returns:
        K (3, 3), float64, in pixels.

    Raises:
        SequenceIndexError: If the file cannot be read or holds something else. Transposed matrices are refused.
    """
    try:
        text = read_text(path)
        if path.suffix == '.json':
            return from_numbers(_json_numbers(json.loads(text)))
        lines = (line.partition('#')[0].replace(',', ' ') for line in text.splitlines())
        numbers = [float(word) for line in lines for word in line.split()]
        return from_numbers(numbers[2:] if path.suffix == '.pincam' and len(numbers) == 6 else numbers)
    except (OSError, ValueError, RecursionError) as error:
        raise SequenceIndexError(
            f'{path} holds no intrinsics ({error}): {EXPECTED}. Extract the file again, or correct it'
        ) from error


def from_numbers(numbers: list[float]) -> np.ndarray:
    """Return the intrinsics K (3, 3) that 4, 9, 12 or 16 numbers stand for, or raise a ValueError."""
    if len(numbers) == 4:
        fx, fy, cx, cy = numbers
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    elif len(numbers) in (9, 12, 16):
        whole = np.array(numbers, dtype=np.float64).reshape(4 if len(numbers) == 16 else 3, -1)
        matrix = whole[:3, :3]
        if not (np.array_equal(whole[:3, 3:], np.zeros((3, whole.shape[1] - 3))) and _is_last_row(whole)):
            raise ValueError('its last column is not 0 0 0')
    else:
        raise ValueError(f'it has {len(numbers)} numbers')
    if not are_intrinsics(matrix):
        raise ValueError('it is not the matrix of a camera')
    if not 1 / MAX_FOCAL_RATIO <= matrix[0, 0] / matrix[1, 1] <= MAX_FOCAL_RATIO:
        raise ValueError(f'its focal lengths {matrix[0, 0]:g} and {matrix[1, 1]:g} do not fit each other')
    return matrix


def _is_last_row(whole: np.ndarray) -> bool:
    """Return whether a matrix has three rows, or (0, 0, 0, 1) as the fourth one."""
    return len(whole) == 3 or np.array_equal(whole[3], (0, 0, 0, 1))


def _json_numbers(content: Any) -> list[float]:
    """Return the numbers of Open3D's ``PinholeCameraIntrinsic``, or of a JSON object with fx, fy, cx and cy."""
    if isinstance(content, dict):
        content = content.get('intrinsic', content)
    if isinstance(content, dict) and isinstance(matrix := content.get('intrinsic_matrix'), list):
        if len(matrix) == 9 and all(isinstance(entry, (int, float)) for entry in matrix):
            return np.array(matrix, dtype=np.float64).reshape(3, 3).T.ravel().tolist()  # it is stored by columns
    elif isinstance(content, dict) and all(isinstance(content.get(key), (int, float)) for key in _KEYS):
        return [float(content[key]) for key in _KEYS]
    raise ValueError('it has no intrinsic_matrix of nine numbers')


_KEYS = ('fx', 'fy', 'cx', 'cy')
