"""One look for all pictures: colours that stay apart, and legends that cover nothing."""

from __future__ import annotations

from itertools import combinations

import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from strl_mmdet3d.evaluation.figure_style import COLOURS, DASHES, FATE_COLOURS, MARKERS, legend_below, rgb
from strl_mmdet3d.evaluation.figure_text import plain_text
from strl_mmdet3d.evaluation.pair_trace import FATES

# Linear RGB to what a deuteranope and a protanope see (Vienot, Brettel & Mollon, 1999).
BLIND = {
    'deuteranopia': [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
    'protanopia': [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
}


def seen(colour, matrix):
    linear = [part**2.2 for part in to_rgb(colour)]
    return [max(sum(a * b for a, b in zip(row, linear, strict=True)), 0) ** (1 / 2.2) for row in matrix]


@pytest.mark.parametrize('kind', BLIND)
@pytest.mark.parametrize('colours', [COLOURS, tuple(FATE_COLOURS.values())], ids=['series', 'fates'])
def test_the_colour_blind_tell_the_colours_apart(colours, kind):
    for first, second in combinations(colours, 2):
        distance = sum((a - b) ** 2 for a, b in zip(seen(first, BLIND[kind]), seen(second, BLIND[kind]), strict=True))
        assert distance**0.5 > 0.12, (first, second)


def test_many_classes_and_arms_stay_different():
    assert len({(COLOURS[n % len(COLOURS)], MARKERS[n % len(MARKERS)]) for n in range(77)}) == 77
    assert len({(MARKERS[n % len(MARKERS)], DASHES[n % len(DASHES)]) for n in range(44)}) == 44


def test_every_fate_has_a_colour():
    assert set(FATE_COLOURS) == {*FATES, 'moved'}
    assert rgb('#D55E00') == (213, 94, 0)


@pytest.mark.parametrize('entries', [1, 70])
def test_a_legend_below_covers_nothing(entries):
    @plain_text
    def draw():
        figure = Figure(figsize=(8, 6), layout='constrained')
        axes = figure.subplots(1, 2)
        line = axes[0].plot([0, 1], [0, 1])[0]
        legend = legend_below(figure, [line] * entries, [f'_{n}' for n in range(entries)], 6)
        figure.draw_without_rendering()
        return figure, legend

    figure, legend = draw()
    assert len(legend.get_texts()) == entries
    box = legend.get_window_extent()
    assert all(box.y1 <= axes.get_window_extent().y0 for axes in figure.axes)
    assert box.y0 >= 0
