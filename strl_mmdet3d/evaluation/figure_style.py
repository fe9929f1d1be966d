"""The look of all pictures and pages: colours, sizes of text, and legends that cover nothing. Needs the extra 'vis'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.legend import Legend

COLOURS = ('#000000', '#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00')
"""Okabe and Ito's colours without yellow: the colour-blind can tell them apart; in grey, markers and dashes differ."""

MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', '<', '>', '*', 'd')
"""The first 77 pairs of a colour and a marker differ, and the first 44 of a marker and a dash."""

DASHES = ('-', '--', '-.', ':')

HEIGHT_MAP = 'viridis'
DEPTH_MAP = 'plasma_r'  # near is bright; neither map has a grey, which stands for what is not there
SENSOR, RANGE, REGION, MOVED, NOTHING = '#000000', '#000000', '#009E73', '#D55E00', '#C8C8C8'

FATE_COLOURS = {
    'out of range': NOTHING,
    'dropped': '#767676',
    'cropped': '#E69F00',
    'cut out': '#CC79A7',
    'hidden': '#56B4E9',
    'kept': '#0072B2',
    'moved': MOVED,
}
"""What becomes of a frame's point, the last drawn on top -> its colour."""

TITLE, TEXT, SMALL = 10, 8, 7  # points

STYLE: dict[Any, Any] = {
    'figure.titlesize': TITLE,
    'axes.titlesize': TEXT,
    'axes.labelsize': TEXT,
    'xtick.labelsize': SMALL,
    'ytick.labelsize': SMALL,
    'legend.fontsize': TEXT,
    'legend.frameon': False,
    'axes.grid': False,
}
"""matplotlib's settings of every picture."""


def legend_below(figure: Figure, handles: Sequence[Artist], names: Sequence[str], columns: int) -> Legend:
    """Put a legend under all panels of a figure with a constrained layout, where it covers none of them.

    Args:
        figure: The figure.
        handles: What is explained.
        names: Its names. Given as labels of the artists, names that begin with '_' would be left out.
        columns: Number of columns.
    """
    options: dict[str, Any] = dict(loc='outside lower center', ncols=columns, handletextpad=0.4, columnspacing=1.4)
    return figure.legend(handles, names, **options)


def rgb(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of a colour such as '#D55E00'."""
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))
