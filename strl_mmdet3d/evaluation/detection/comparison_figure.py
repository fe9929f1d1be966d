"""Draws a comparison: the number over the labels for each arm, and the paired differences below. Needs 'vis'."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from ..figure_style import COLOURS, DASHES, MARKERS
from ..figure_text import one_line, plain_text
from .comparison import CONFIDENCE, Interval, interval_of, seeds_text
from .comparison_table import Comparison

WIDTH = 0.5
"""How far the arms at one size are drawn apart, in steps from one size to the next."""


@plain_text
def draw_comparison(comparison: Comparison) -> Figure:
    """Draw means with their confidence intervals over the labels, and the paired differences below.

    Args:
        comparison: The comparison, complete or not.

    Returns:
        The picture.
    """
    sizes = list(comparison.sizes)
    pairs = list(dict.fromkeys((each.arm, each.baseline) for each in comparison.differences))
    figure = Figure(figsize=(max(7.0, 4.5 + 0.9 * len(sizes)), 8.5 if pairs else 5.0), layout='constrained')
    upper, *rest = figure.subplots(2 if pairs else 1, 1, sharex=True, squeeze=False)[:, 0]
    arms = list(comparison.values)
    for number, arm in enumerate(arms):
        intervals = {frames: interval_of(seeds) for frames, seeds in comparison.values[arm].items()}
        draw_line(upper, sizes, intervals, number, (number + 0.5) / len(arms), one_line(arm))
    unit = ' [%]' if comparison.digits == 1 else ' (0 to 1)'
    upper.set_ylabel(f'{one_line(comparison.metric.rpartition("/")[2])}{unit}')
    upper.set_title(one_line(comparison.title))
    if rest:
        lower = rest[0]
        lower.axhline(0, color='black', linewidth=0.8)
        for number, (arm, baseline) in enumerate(pairs):
            of_pair = {
                each.frames: each.interval
                for each in comparison.differences
                if (each.arm, each.baseline) == (arm, baseline)
            }
            # A difference to scratch looks as its arm does above; others follow.
            style = arms.index(arm) if baseline == 'scratch' and arm in arms else len(arms) + number
            place = (number + 0.5) / len(pairs)
            draw_line(lower, sizes, of_pair, style, place, one_line(f'{arm} \N{MINUS SIGN} {baseline}'))
        lower.set_ylabel(f'paired difference{" [percentage points]" * (comparison.digits == 1)}')
    bottom = rest[0] if rest else upper
    bottom.set_xticks(range(len(sizes)))
    ticks = []
    for frames, percentages in comparison.sizes.items():
        ticks.append(f'{", ".join(f"{each:g}" for each in percentages)} %\n{frames} frame{"s" * (frames != 1)}')
    bottom.set_xticklabels(ticks)
    seeds = sorted({seed for of_arm in comparison.values.values() for of in of_arm.values() for seed in of})
    missing = f'; not complete, runs missing: {comparison.num_missing}' if comparison.num_missing else ''
    over = f'the mean over seeds {seeds_text(seeds)}' if seeds else 'means'
    bottom.set_xlabel(f'labelled frames\nbars: {CONFIDENCE:.0%} intervals of {over}{missing}')
    for axes in [upper, *rest]:
        axes.grid(axis='y', color='0.9')
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc='center left', bbox_to_anchor=(1.01, 0.5))
    return figure


def draw_line(
    axes: object, sizes: list[int], intervals: Mapping[int, Interval | None], style: int, place: float, label: str
) -> None:
    """Draw an arm: a marker and a bar for each size, beside those of the other arms.

    Args:
        axes: The axes.
        sizes: The numbers of frames, ascending.
        intervals: Number of frames -> mean and interval.
        style: Which colour, marker and dashes.
        place: Where it stands beside the others, from 0 (left) to 1 (right).
        label: Its name in the legend.
    """
    found = [(x, interval) for x, frames in enumerate(sizes) if (interval := intervals.get(frames)) is not None]
    if not found:
        return
    shift = WIDTH * (place - 0.5)
    below = [interval.mean - (interval.mean if interval.low is None else interval.low) for _, interval in found]
    above = [(interval.mean if interval.high is None else interval.high) - interval.mean for _, interval in found]
    axes.errorbar(  # type: ignore[attr-defined]
        [x + shift for x, _ in found],
        [interval.mean for _, interval in found],
        yerr=[below, above],
        label=label,
        color=COLOURS[style % len(COLOURS)],
        marker=MARKERS[style % len(MARKERS)],
        linestyle=DASHES[style % len(DASHES)],
        markersize=5,
        linewidth=1.2,
        capsize=2,
    )
