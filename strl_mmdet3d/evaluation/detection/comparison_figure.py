"""Draws a comparison: the number over the labels for each arm, and beside it the paired differences. Needs 'vis'."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..figure_style import COLOURS, DASHES, MARKERS
from ..figure_text import one_line, plain_text
from .comparison import CONFIDENCE, SeedValues, interval_of, paired_differences, seeds_text
from .comparison_table import Comparison

WIDTH = 0.5
"""How far the arms at one size are drawn apart, in steps from one size to the next."""


@plain_text
def draw_comparison(comparison: Comparison) -> Figure:
    """Draw means with their confidence intervals over the labels, the paired differences beside them, and every seed.

    Args:
        comparison: The comparison, complete or not.

    Returns:
        The picture.
    """
    sizes = list(comparison.sizes)
    pairs = list(dict.fromkeys((each.arm, each.baseline) for each in comparison.differences))
    arms = list(comparison.values)
    panels = 2 if pairs else 1
    in_legend = max(len(arms), len(pairs))
    size = (panels * max(3.6, 2.2 + 0.8 * len(sizes)), 4.0 + 0.2 * in_legend)
    figure = Figure(figsize=size, layout='constrained')
    parts = figure.subfigures(1, panels, squeeze=False)[0]
    left, *rest = (part.subplots() for part in parts)
    for number, arm in enumerate(arms):
        draw_line(left, sizes, comparison.values[arm], number, (number + 0.5) / len(arms), one_line(arm))
    unit = ' [%]' if comparison.digits == 1 else ' (0 to 1)'
    left.set_ylabel(f'{one_line(comparison.metric.rpartition("/")[2])}{unit}')
    if rest:
        right = rest[0]
        right.axhline(0, color='black', linewidth=0.8)
        for number, (arm, baseline) in enumerate(pairs):
            # A difference to scratch looks as its arm does on the left; others follow.
            style = arms.index(arm) if baseline == 'scratch' and arm in arms else len(arms) + number
            place = (number + 0.5) / len(pairs)
            label = one_line(f'{arm} \N{MINUS SIGN} {baseline}')
            draw_line(right, sizes, paired_values(comparison, arm, baseline), style, place, label)
        right.set_ylabel(f'paired difference{" [percentage points]" * (comparison.digits == 1)}')
    ticks = []
    for frames, percentages in comparison.sizes.items():
        ticks.append(f'{", ".join(f"{each:g}" for each in percentages)} %\n{frames} frame{"s" * (frames != 1)}')
    for part, axes in zip(parts, [left, *rest], strict=True):
        axes.set_xticks(range(len(sizes)), ticks)
        axes.set_xlim(-WIDTH, len(sizes) - 1 + WIDTH)
        axes.set_xlabel('labelled frames')
        axes.grid(axis='y', color='0.9')
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            rows = in_legend - len(handles)  # legends of one height leave the axes at one height
            blank = [Line2D([], [], linestyle='none')] * rows
            part.legend([*handles, *blank], [*labels, *[''] * rows], loc='outside lower center', fontsize='small')
    seeds = sorted({seed for of_arm in comparison.values.values() for of in of_arm.values() for seed in of})
    over = f'the mean over seeds {seeds_text(seeds)}' if seeds else 'means'
    missing = f'; not complete, runs missing: {comparison.num_missing}' if comparison.num_missing else ''
    bars = f'bars: {CONFIDENCE:.0%} intervals of {over}; small dots: single seeds{missing}'
    figure.suptitle(f'{one_line(comparison.title)}\n{bars}', fontsize='medium')
    return figure


def paired_values(comparison: Comparison, arm: str, baseline: str) -> dict[int, SeedValues]:
    """Return the differences of an arm to another: number of frames -> seed -> difference."""
    first, second = comparison.values[arm], comparison.values[baseline]
    return {frames: paired_differences(of, second[frames]) for frames, of in first.items() if frames in second}


def draw_line(
    axes: Axes, sizes: list[int], values: Mapping[int, SeedValues], style: int, place: float, label: str
) -> None:
    """Draw an arm: for each size a marker, a bar and the single seeds, beside those of the other arms.

    Args:
        axes: The axes.
        sizes: The numbers of frames, ascending.
        values: Number of frames -> seed -> number.
        style: Which colour, marker and dashes.
        place: Where it stands beside the others, from 0 (left) to 1 (right).
        label: Its name in the legend.
    """
    shift = WIDTH * (place - 0.5)
    found = [
        (x + shift, interval, list(values[frames].values()))
        for x, frames in enumerate(sizes)
        if (interval := interval_of(values.get(frames, {}))) is not None
    ]
    if not found:
        return
    colour = COLOURS[style % len(COLOURS)]
    below = [interval.mean - (interval.mean if interval.low is None else interval.low) for _, interval, _ in found]
    above = [(interval.mean if interval.high is None else interval.high) - interval.mean for _, interval, _ in found]
    axes.errorbar(
        [x for x, _, _ in found],
        [interval.mean for _, interval, _ in found],
        yerr=[below, above],
        label=label,
        color=colour,
        marker=MARKERS[style % len(MARKERS)],
        linestyle=DASHES[style % len(DASHES)],
        markersize=5,
        linewidth=1.2,
        capsize=2,
    )
    for x, _, seeds in found:
        axes.scatter([x + 0.04] * len(seeds), seeds, s=6, color=colour, alpha=0.4, linewidths=0)
