"""Draws a table: for each row the paper's number and what was measured. Needs the extra 'vis'."""

from __future__ import annotations

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation.figure_text import one_line, plain_text
from .table_report import Measured, paper_number
from .tables import Table

PAPER, OURS = '#D55E00', '#0072B2'  # Okabe and Ito's vermilion and blue, which the colour-blind can tell apart
ROW = 0.42  # inches
PANEL = 3.4
LEAST_WIDTH = 6.5  # for title and legend
CHARACTERS = 13  # of the title, in an inch


@plain_text
def draw_table(table: Table, measured: Measured, about: str) -> Figure:
    """Draw a panel for each column of a table, with its rows from top to bottom.

    Args:
        table: The table.
        measured: Row -> heading of a column -> mean and deviation, or why there is none.
        about: What the numbers are of, such as 'simulated data, tiny'.

    Returns:
        The picture. Bars are standard deviations over the seeds.
    """
    names = [one_line(row.name) for row in table.rows]
    left = 0.075 * max(map(len, names))
    size = (max(left + PANEL * len(table.columns), LEAST_WIDTH), 1.9 + ROW * len(names))
    figure = Figure(figsize=size, layout='constrained')
    panels = figure.subplots(1, len(table.columns), sharey=True, squeeze=False)[0]
    for place, (axes, column) in enumerate(zip(panels, table.columns, strict=True)):
        draw_panel(axes, table, measured, place)
        axes.set_xlabel(one_line(column.heading))
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    title = textwrap.fill(one_line(table.heading), int(CHARACTERS * size[0]))
    figure.suptitle(title, fontsize=10, x=0.02, ha='left')
    known = any(paper_number(row, place) is not None for row in table.rows for place in range(len(table.columns)))
    texts = {('D', PAPER): 'the paper'} if known else {}
    texts['o', OURS] = f'measured: {one_line(about)}; bars: standard deviation over the seeds'
    handles = [panels[0].plot([], [], marker, color=colour, label=text)[0] for (marker, colour), text in texts.items()]
    figure.legend(handles=handles, loc='outside lower left', ncols=1, fontsize=8, frameon=False)
    return figure


def draw_panel(axes: Axes, table: Table, measured: Measured, place: int) -> None:
    """Draw a column; a row without a number says why."""
    column = table.columns[place]
    for y, row in enumerate(table.rows):
        number = paper_number(row, place)
        if isinstance(number, tuple):
            axes.plot(number, [y - 0.12] * 2, '-D', color=PAPER, markersize=5)
        elif number is not None:
            axes.plot([number], [y - 0.12], 'D', color=PAPER, markersize=5)
        interval = measured[row.name][column.heading]
        if isinstance(interval, str):
            # Beside the axis, where it stands whatever the numbers are.
            axes.annotate(
                interval, (0.01, y + 0.12), xycoords=('axes fraction', 'data'), va='center', fontsize=7, color='0.45'
            )
        else:
            axes.errorbar([interval.mean], [y + 0.12], xerr=[interval.deviation or 0.0], fmt='o', color=OURS, capsize=3)
    axes.grid(axis='x', color='0.9')
    axes.margins(x=0.15)
