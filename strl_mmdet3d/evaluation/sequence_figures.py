"""Pictures of a sequence index and its frames. Needs the extra 'vis'."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from . import figure_style as style
from .figure_text import one_line, plain_text
from .sequence_survey import ExamplePair, Survey
from .sequence_verdicts import ground_z

MAX_PANELS = 9
NUM_BINS = 80
WIDTH = 10  # inches
MAX_DRAWN = 40_000  # points of a cloud
METRES = ('x', 'y', 'z', 'distance')  # columns with this unit
SHOWN = (0.5, 99.5)  # per cent of the points inside a panel


@plain_text
def draw_frame(survey: Survey) -> Figure:
    """Draw the first frame that was looked at, from above and from the side, with the range and the ground."""
    assert survey.example is not None
    coords = survey.example[:: max(1, len(survey.example) // MAX_DRAWN)]
    corners = [*np.percentile(coords, SHOWN, axis=0), np.zeros(3)]  # nearly all points, the sensor, the range
    if survey.point_cloud_range is not None:
        corners += [*np.reshape(survey.point_cloud_range, (2, 3))]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    heights = np.percentile(coords[:, 2], SHOWN)
    extent = np.maximum(high - low, 1e-3)
    height = float(np.clip(WIDTH * extent[1] / extent[0], 2, 12))  # the view from above fills the width
    figure = Figure(figsize=(WIDTH, height + 2.5), layout='constrained')
    above, side = figure.subplots(2, 1, height_ratios=[height, 2])
    points: dict[str, Any] = dict(s=0.6, c=coords[:, 2], cmap=style.HEIGHT_MAP, linewidths=0)
    points.update(vmin=heights[0], vmax=heights[1])
    for axes, up in ((above, 1), (side, 2)):
        mappable = axes.scatter(coords[:, 0], coords[:, up], **points)
        axes.plot(0, 0, marker='+', color=style.SENSOR, markersize=12, markeredgewidth=2)
        if survey.point_cloud_range is not None:
            box = np.asarray(survey.point_cloud_range)
            corner, size = (box[0], box[up]), (box[3] - box[0], box[3 + up] - box[up])
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=style.RANGE, linestyle='--', linewidth=1))
        axes.set(xlabel='x [m]', ylabel=f'{"xyz"[up]} [m]', aspect='equal')
        margin = 0.05 * extent
        axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
        axes.set_ylim(low[up] - margin[up], high[up] + margin[up])
    ground = ground_z(survey.frames)
    if ground is not None:
        side.axhline(ground, color=style.COLOURS[2], linewidth=1)
    box_named = '; range: dashed box' if survey.point_cloud_range is not None else ''
    above.set_title(f'{one_line(survey.frames[0].path)}\nfrom above (sensor: cross{box_named})')
    side.set_title('from the side, z stretched' + (' (ground: orange line)' if ground is not None else ''))
    side.set_aspect('auto')
    figure.colorbar(mappable, ax=[above, side], label='z [m]', aspect=40)
    return figure


@plain_text
def draw_histograms(survey: Survey) -> Figure:
    """Draw the histogram of each column over all frames that were looked at."""
    names = survey.frames[0].columns
    samples = np.concatenate([frame.samples for frame in survey.alike])
    columns = min(4, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(3.3 * columns, 2.4 * rows), layout='constrained')
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.set_axis_off()
    for axes, name, values in zip(figure.axes, names, samples.T, strict=False):
        axes.set_axis_on()
        axes.hist(values, bins=NUM_BINS, color=style.COLOURS[1])
        axes.set_title(f'{one_line(name)} [m]' if name in METRES else one_line(name))
        axes.set_yscale('log')
        axes.yaxis.set_visible(False)  # the labels of its ticks would be formulas
    figure.suptitle('how many points have which value; heights are logarithmic')
    return figure


@plain_text
def draw_paths(survey: Survey) -> Figure:
    """Draw the path of the sensor in the longest sequences with poses, seen from above, and its speed and turn rate."""
    posed = sorted((s for s in survey.sequences if s.has_poses), key=lambda s: -s.num_frames)[:MAX_PANELS]
    figure = Figure(figsize=(13, 2.6 * len(posed)), layout='constrained')
    for (way, speed), sequence in zip(figure.subplots(len(posed), 2, squeeze=False), posed, strict=True):
        way.plot(*sequence.way.T, marker='.', markersize=3, linewidth=0.8, color=style.COLOURS[1])
        way.plot(*sequence.way[0], marker='o', color=style.COLOURS[2])
        way.set(aspect='equal', adjustable='datalim', xlabel='x [m]', ylabel='y [m]')
        way.set_title(f'{one_line(sequence.sequence_id)}: the path from above (start: dot)')
        turn = speed.twinx()
        speed.plot(sequence.speeds, linewidth=0.8, color=style.COLOURS[1])
        turn.plot(sequence.turns, linewidth=0.8, color=style.COLOURS[2], linestyle='--')
        speed.set(xlabel='frame')
        speed.set_ylabel(f'speed (line) [m/{sequence.per}]', color=style.COLOURS[1])
        for axes in (speed, turn):
            axes.set_ylim(bottom=0)  # neither is negative, and steady ones look so
        turn.set_ylabel(f'turn rate (dashes) [degrees/{sequence.per}]', color=style.COLOURS[2])
    return figure


@plain_text
def draw_overlap(pair: ExamplePair) -> Figure:
    """Draw two frames upon each other in two colours, from above: as they are, and aligned by their poses."""
    first, second = (cloud[:: max(1, len(cloud) // MAX_DRAWN)].astype(np.float64) for cloud in pair.clouds)
    to_world = [
        cloud @ pose[:3, :3].T + pose[:3, 3] - pair.poses[0][:3, 3]
        for cloud, pose in zip((first, second), pair.poses, strict=True)
    ]
    figure = Figure(figsize=(13, 6.5), layout='constrained')
    panels = (
        (f'without poses: {pair.overlap.unaligned:.0%} meet', [first, second]),
        (f'aligned by their poses: {pair.overlap.as_given:.0%} meet', to_world),
    )
    for axes, (title, clouds) in zip(figure.subplots(1, 2), panels, strict=True):
        for cloud, colour in zip(clouds, (style.COLOURS[1], style.COLOURS[2]), strict=True):
            axes.scatter(cloud[:, 0], cloud[:, 1], s=0.6, c=colour, linewidths=0, alpha=0.6)
        low, high = np.percentile(np.concatenate(clouds), SHOWN, axis=0)
        axes.set(aspect='equal', xlabel='x [m]', ylabel='y [m]', xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        axes.set_title(title)
    first_name, second_name = map(one_line, pair.overlap.frames)
    names = [first_name, f'{second_name}, from a place {pair.overlap.moved:.2f} m away']
    marks = [Line2D([], [], marker='o', linestyle='', color=style.COLOURS[number]) for number in (1, 2)]
    style.legend_below(figure, marks, names, columns=1)
    return figure
