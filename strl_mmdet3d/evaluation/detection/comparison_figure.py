"""Draws a comparison: the number of each arm, over the labels or row by row, and beside it the paired differences.

Needs 'vis'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from ..figure_style import COLOURS, DASHES, MARKERS
from ..figure_text import one_line, plain_text
from .comparison import CONFIDENCE, Interval, SeedValues, interval_of, paired_differences, seeds_text
from .comparison_table import Comparison
from .label_subsets import size_parts

WIDTH = 0.5
"""How far the arms at one size are drawn apart, in steps from one size to the next."""

DOTS: dict[str, Any] = dict(s=6, alpha=0.4, linewidths=0)
"""The look of single seeds."""


class Line(NamedTuple):
    """What is drawn of an arm, or of its difference to another."""

    name: str
    style: int
    """Which colour, marker and dashes."""
    values: Mapping[int, SeedValues]
    """Number of frames -> seed -> number."""


class Panel(NamedTuple):
    """A part of the picture."""

    quantity: str
    """What it shows, with its unit."""
    lines: Sequence[Line]


@plain_text
def draw_comparison(comparison: Comparison) -> Figure:
    """Draw means with their confidence intervals, the paired differences beside them, and every seed.

    Over several label subsets each arm is a line. With one subset each arm is a row, which has its name beside it.

    Args:
        comparison: The comparison, complete or not.

    Returns:
        The picture.
    """
    arms = list(comparison.values)
    lines = [Line(one_line(arm), number, comparison.values[arm]) for number, arm in enumerate(arms)]
    pairs = list(dict.fromkeys((each.arm, each.baseline) for each in comparison.differences))
    differences = [
        Line(
            one_line(f'{arm} \N{MINUS SIGN} {baseline}'),
            # A difference to scratch looks as its arm does on the left; others follow.
            arms.index(arm) if baseline == 'scratch' and arm in arms else len(arms) + number,
            paired_values(comparison, arm, baseline),
        )
        for number, (arm, baseline) in enumerate(pairs)
    ]
    unit = ' [%]' if comparison.digits == 1 else ' (0 to 1)'
    panels = [Panel(f'{one_line(comparison.metric.rpartition("/")[2])}{unit}', lines)]
    if differences:
        panels.append(Panel(f'paired difference{" [percentage points]" * (comparison.digits == 1)}', differences))
    draw = draw_as_rows if len(comparison.sizes) == 1 else draw_over_labels
    figure = draw(panels, comparison.sizes)
    found = {tuple(sorted(of)) for of_arm in comparison.values.values() for of in of_arm.values() if of}
    over = f'the mean over {seeds_in(found)}' if found else 'means'
    missing = f'; not complete, runs missing: {comparison.num_missing}' if comparison.num_missing else ''
    bars = f'bars: {CONFIDENCE:.0%} intervals of {over}; small dots: single seeds{missing}'
    figure.suptitle(f'{one_line(comparison.title)}\n{bars}', fontsize='medium')
    return figure


def draw_over_labels(panels: Sequence[Panel], sizes: Mapping[int, Sequence[float]]) -> Figure:
    """Draw lines over the label subsets, with a legend below each panel.

    Args:
        panels: The arms, and the differences if there are any.
        sizes: Numbers of frames, ascending -> the percentages that they stand for.
    """
    in_legend = max(len(panel.lines) for panel in panels)
    size = (len(panels) * max(3.6, 2.2 + 0.8 * len(sizes)), 4.0 + 0.2 * in_legend)
    figure = Figure(figsize=size, layout='constrained')
    parts: Sequence[SubFigure] = figure.subfigures(1, len(panels), squeeze=False)[0]
    for number, (part, panel) in enumerate(zip(parts, panels, strict=True)):
        axes = part.subplots()
        if number:
            axes.axhline(0, color='black', linewidth=0.8)
        for place, line in enumerate(panel.lines):
            draw_line(axes, list(sizes), line, WIDTH * ((place + 0.5) / len(panel.lines) - 0.5))
        axes.set_ylabel(panel.quantity)
        axes.set_xticks(range(len(sizes)), ['\n'.join(size_parts(*each)) for each in sizes.items()])
        axes.set_xlim(-WIDTH, len(sizes) - 1 + WIDTH)
        axes.set_xlabel('labelled frames')
        axes.grid(axis='y', color='0.9')
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            rows = in_legend - len(handles)  # legends of one height leave the axes at one height
            blank = [Line2D([], [], linestyle='none')] * rows
            part.legend([*handles, *blank], [*labels, *[''] * rows], loc='outside lower center', fontsize='small')
    return figure


def draw_as_rows(panels: Sequence[Panel], sizes: Mapping[int, Sequence[float]]) -> Figure:
    """Draw a row for each arm on the only label subset, its name beside it (a forest plot).

    Args:
        panels: The arms, and the differences if there are any.
        sizes: The number of frames -> the percentages that it stands for.
    """
    ((frames, percentages),) = sizes.items()
    rows = max(len(panel.lines) for panel in panels)
    figure = Figure(figsize=(4.8 * len(panels), 1.5 + 0.3 * rows), layout='constrained')
    parts: Sequence[Axes] = figure.subplots(1, len(panels), squeeze=False)[0]
    for number, (axes, panel) in enumerate(zip(parts, panels, strict=True)):
        if number:
            axes.axvline(0, color='black', linewidth=0.8)
        first = rows - len(panel.lines)  # an arm and its difference to the first arm stand on one height
        for row, line in enumerate(panel.lines, first):
            draw_row(axes, line, frames, row)
        axes.set_yticks(range(first, rows), [line.name for line in panel.lines])
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_xlabel(panel.quantity)
        axes.grid(axis='x', color='0.9')
    figure.supxlabel(f'with {" of the labels, ".join(size_parts(frames, percentages))}', fontsize='medium')
    return figure


def seeds_in(found: Set[tuple[int, ...]]) -> str:
    """Return the seeds of all arms and label subsets, or how many they have where they differ."""
    if len(found) == 1:
        return f'seeds {seeds_text(next(iter(found)))}'
    fewest, most = min(map(len, found)), max(map(len, found))
    return f'{most} seeds' if fewest == most else f'{fewest} to {most} seeds'


def paired_values(comparison: Comparison, arm: str, baseline: str) -> dict[int, SeedValues]:
    """Return the differences of an arm to another: number of frames -> seed -> difference."""
    first, second = comparison.values[arm], comparison.values[baseline]
    return {frames: paired_differences(of, second[frames]) for frames, of in first.items() if frames in second}


def draw_line(axes: Axes, sizes: Sequence[int], line: Line, shift: float) -> None:
    """Draw an arm: for each size a marker, a bar and the single seeds, beside those of the other arms.

    Args:
        axes: The axes.
        sizes: The numbers of frames, ascending.
        line: The arm.
        shift: How far to the right of each size it stands.
    """
    found = [
        (x + shift, interval, list(line.values[frames].values()))
        for x, frames in enumerate(sizes)
        if (interval := interval_of(line.values.get(frames, {}))) is not None
    ]
    if not found:
        return
    below, above = zip(*(reach_of(interval) for _, interval, _ in found), strict=True)
    axes.errorbar(
        [x for x, _, _ in found],
        [interval.mean for _, interval, _ in found],
        yerr=[below, above],
        label=line.name,
        linestyle=DASHES[line.style % len(DASHES)],
        **look_of(line),
    )
    for x, _, seeds in found:
        axes.scatter([x + 0.04] * len(seeds), seeds, color=colour_of(line), **DOTS)


def draw_row(axes: Axes, line: Line, frames: int, row: int) -> None:
    """Draw an arm on one label subset: a marker and a bar along the row, and below them the single seeds."""
    interval = interval_of(line.values.get(frames, {}))
    if interval is None:
        return
    below, above = reach_of(interval)
    axes.errorbar([interval.mean], [row], xerr=[[below], [above]], label=line.name, linestyle='none', **look_of(line))
    seeds = list(line.values[frames].values())
    axes.scatter(seeds, [row + 0.25] * len(seeds), color=colour_of(line), **DOTS)


def colour_of(line: Line) -> str:
    """Return the colour of an arm."""
    return COLOURS[line.style % len(COLOURS)]


def look_of(line: Line) -> dict[str, Any]:
    """Return what matplotlib takes for the colour, the marker and the bar of an arm."""
    marker = MARKERS[line.style % len(MARKERS)]
    return dict(color=colour_of(line), marker=marker, markersize=5, linewidth=1.2, capsize=2)


def reach_of(interval: Interval) -> tuple[float, float]:
    """Return how far an interval reaches below and above its mean; 0 for one seed, which has none."""
    low, high = (interval.mean if end is None else end for end in (interval.low, interval.high))
    return interval.mean - low, high - interval.mean
