"""Text of data in pictures: names of frames, sequences, classes and scalars are shown as they are, never interpreted.

matplotlib takes a text with two dollar signs for a formula, and raises an error if it is none; with ``text.usetex`` in
a user's settings it would run LaTeX on it. Needs the extra 'vis'.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import IO, Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from .figure_style import STYLE

MAX_CHARACTERS = 100  # in a line
NOT_SHOWN = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]')  # XML has no place for many

plain_text: Any = rc_context({'text.parse_math': False, 'text.usetex': False, **STYLE})
"""Decorates a function that makes a picture: each text that is made in it stays plain, also in legends, and all
pictures look alike."""


def one_line(text: str) -> str:
    """Return a text of data as one line for a picture: without control characters, and cut in its middle if long."""
    line = NOT_SHOWN.sub('\N{REPLACEMENT CHARACTER}', text)
    half = MAX_CHARACTERS // 2
    return line if len(line) <= MAX_CHARACTERS else f'{line[:half]}\N{HORIZONTAL ELLIPSIS}{line[-half:]}'


def save_picture(figure: Figure, file: Path | IO[bytes], dpi: int) -> None:
    """Write a picture as PNG. A letter that the font does not have becomes a box, without a warning for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', r'Glyph \d+ .*missing from', UserWarning)
        figure.savefig(file, dpi=dpi, format='png')
