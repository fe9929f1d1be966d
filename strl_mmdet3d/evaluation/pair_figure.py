"""Pictures of training pairs: the two frames with what happens to their points, and the views that the model gets.

Lidar points are drawn from above, other clouds obliquely. For depth frames, the depth images are drawn, and the views
from above and from the side. Local views are drawn below the two views. Needs the extra 'vis'.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from mmdet3d.structures import LiDARPoints
from torch.utils.data import Dataset

from ..datasets import PairKey
from ..datasets.readers.depth_image import clear_beyond, read_depth
from ..datasets.transforms.load_depth import DEPTH_SCALE, LARGEST_DEPTH, LoadDepthFrame
from ..datasets.transforms.mark_moved import MOVED
from ..datasets.transforms.views import VIEWS
from . import figure_style as style
from .figure_text import one_line, plain_text
from .pair_trace import FATES, KEPT, PairTracer, Trace
from .projection import FROM_ABOVE, FROM_THE_SIDE, OBLIQUELY, Projection
from .traced_pair import TracedPair, counted_fates, trace_pair

FRAME_SHARE, VIEW_SHARE = 99.0, 99.8  # per cent of the points inside the limits; far returns would shrink the others
MARGIN = 0.03  # on each side, as a share of the extent
PANEL_WIDTH = 5.0  # inches
COLUMNS = 4  # local views in a row
CHARACTERS = 14  # of a title, in an inch
FRAME_CHARACTERS = int(CHARACTERS * PANEL_WIDTH)  # of a line above a frame
ARROWS = 0.08  # length of the arrows of an oblique picture, at most, as a share of its width


@plain_text
def draw_pair(dataset: Dataset, key: PairKey, tracer: PairTracer) -> Figure:
    """Draw one pair of a training set, whose points the tracer follows.

    The frames are above, in the axes of the pair, and the views below, view 1 on the left. All frames have the same
    limits and all views have; a title counts the points that are outside.
    """
    pair = trace_pair(dataset, key, tracer)
    if all(trace.depth_frame is not None for trace in pair.traces):
        figure = draw_depth_pair(pair)
    else:
        figure = draw_cloud_pair(pair)
    figure.suptitle(f'{one_line(pair.sources[0]["sequence_id"])}: {pair.facts()}')
    return figure


def draw_cloud_pair(pair: TracedPair) -> Figure:
    """Draw two point clouds, coloured by what happens to their points, and below them the views, coloured by height."""
    is_lidar = all(trace.points_type is LiDARPoints for trace in pair.traces)
    projection = FROM_ABOVE if is_lidar else OBLIQUELY
    box = pair.part.point_cloud_range if is_lidar else None
    raw_limits, limits = frame_limits(pair, projection, box), view_limits(pair, projection)
    if projection.labels is None:
        raw_limits, limits = with_room(raw_limits), with_room(limits)
    figure, rows = make_figure([panel_height(raw_limits), panel_height(limits)], pair, panel_height(limits) / 2)
    handles: dict[str, Artist] = {}
    for axes, title, trace in zip(rows[0], frame_titles(pair), pair.traces, strict=True):
        set_axes(axes, raw_limits, projection, pair.unit)
        handles |= draw_fates(axes, trace, projection, raw_limits)
        handles |= draw_marks(axes, projection, trace.sensor if is_lidar else None, trace.regions, box)
        axes.set_title(title)
    for axes, view, trace in zip(rows[1], VIEWS, pair.traces, strict=True):
        mappable = draw_view(axes, pair, view, projection, limits)
        sensor = trace.sensor_in_view if is_lidar else None
        draw_marks(axes, projection, sensor, pair.regions(view), box)
        axes.set_title(view_title(pair, view, trace, projection, limits))
    draw_locals(rows[2], pair, projection, limits)
    figure.colorbar(mappable, ax=[*rows[1], *rows[2]], label=with_unit('z of the views', pair.unit), aspect=30)
    style.legend_below(figure, list(handles.values()), list(handles), 5)
    return figure


def draw_depth_pair(pair: TracedPair) -> Figure:
    """Draw two depth images in metres, and below them the views from above and from the side."""
    above = replace(FROM_ABOVE, where=' from above')
    limits = {projection.where: view_limits(pair, projection) for projection in (above, FROM_THE_SIDE)}
    images = [depth_in_metres(trace) for trace in pair.traces]
    heights = [PANEL_WIDTH * images[0].shape[0] / images[0].shape[1], *map(panel_height, limits.values())]
    figure, rows = make_figure(heights, pair, heights[1] / 2)
    # A few wrong pixels, far behind all others, would take the colours from the rest.
    nearest, farthest = np.percentile(np.concatenate([image.compressed() for image in images]), [0.5, 99.5])
    for axes, image, title in zip(rows[0], images, frame_titles(pair), strict=True):
        axes.set_facecolor(style.NOTHING)
        shown = axes.imshow(image, cmap=style.DEPTH_MAP, vmin=nearest, vmax=farthest, interpolation='nearest')
        unseen = np.ma.getmaskarray(image).mean()
        axes.set_title(f'{title}\nnothing seen in {unseen:.1%} of the pixels (grey)')
        axes.set(xticks=[], yticks=[])
    figure.colorbar(shown, ax=rows[0], label='depth [m]', aspect=20, extend='both')
    handles: dict[str, Artist] = {}
    for row, projection in zip(rows[1:3], (above, FROM_THE_SIDE), strict=True):
        box = limits[projection.where]
        for axes, view, trace in zip(row, VIEWS, pair.traces, strict=True):
            mappable = draw_view(axes, pair, view, projection, box)
            handles |= draw_marks(axes, projection, trace.sensor_in_view, pair.regions(view), None)
            title = view_title(pair, view, trace, projection, box)
            axes.set_title(title if projection is above else title.partition('\n')[0])
    draw_locals(rows[3], pair, above, limits[above.where])
    figure.colorbar(mappable, ax=[*rows[1], *rows[2], *rows[3]], label='z of the views [m]', aspect=40)
    named = {
        'camera': handles.pop('sensor'),
        **handles,
        'nothing seen': Patch(facecolor=style.NOTHING, edgecolor='black'),
    }
    style.legend_below(figure, list(named.values()), list(named), 5)
    return figure


def make_figure(heights: list[float], pair: TracedPair, local_height: float) -> tuple[Figure, list[list[Any]]]:
    """Make a figure of rows of two panels, and behind them the panels of the local views.

    Args:
        heights: The height of each row, inches.
        pair: The pair.
        local_height: The height of a local view, inches.

    Returns:
        The figure, and the panels of each row. The last row has those of all local views.
    """
    num_locals = len(pair.local_traces)
    every = [*heights, *[local_height] * math.ceil(num_locals / COLUMNS)]
    figure = Figure(figsize=(2 * PANEL_WIDTH + 1, sum(every) + 0.75 * len(every) + 0.6), layout='constrained')
    grid = figure.add_gridspec(len(every), COLUMNS, height_ratios=every)
    half = COLUMNS // 2
    rows = [
        [figure.add_subplot(grid[row, side * half : (side + 1) * half]) for side in range(2)]
        for row in range(len(heights))
    ]
    places = [(len(heights) + n // COLUMNS, n % COLUMNS) for n in range(num_locals)]
    return figure, [*rows, [figure.add_subplot(grid[place]) for place in places]]


def frame_titles(pair: TracedPair) -> list[str]:
    """Return the titles of the two frames: what they are, and what happens to their points."""
    return [
        '\n'.join(
            [
                f'frame {number} (no. {source["frame_index"]} of its sequence)',
                shortened(one_line(source['frame_path']), FRAME_CHARACTERS),
                *textwrap.wrap(
                    f'{trace.num_loaded:,} points{pasted_text(trace)}: {counted_fates(trace)}', FRAME_CHARACTERS
                ),
            ]
        )
        for number, source, trace in zip((1, 2), pair.sources, pair.traces, strict=True)
    ]


def shortened(path: str, length: int) -> str:
    """Return the end of a path, which tells frames apart, if the whole is longer than so many characters."""
    return path if len(path) <= length else f'\N{HORIZONTAL ELLIPSIS}{path[1 - length :]}'


def pasted_text(trace: Trace) -> str:
    """Say how many points were pasted into a frame."""
    pasted = len(trace.coords) - trace.num_loaded
    return f' and {pasted:,} pasted' if pasted else ''


def view_title(
    pair: TracedPair,
    view: str,
    trace: Trace,
    projection: Projection,
    limits: np.ndarray,
    source: str = '',
    width: float = PANEL_WIDTH,
) -> str:
    """Return the title of a view: how many points it has, and in further lines what was done to them.

    Args:
        pair: The pair.
        view: The name of the view.
        trace: Its trace.
        projection: How it is drawn.
        limits: Lower and upper corner (2, 2) of the picture.
        source: Of what frame it is, where that does not go without saying.
        width: Width of the panel in inches.
    """
    moved, outside = pair.moved(view).sum(), (~inside(projection.apply(pair.points(view)), limits)).sum()
    counted = f'{view.replace("_", " ")}{source}{projection.where}: {len(pair.points(view)):,} points'
    counted += f', {moved:,} have moved' * (moved > 0) + f', {outside:,} outside the picture' * (outside > 0)
    done = [f'{name} {words}' for name, words in trace.steps if words not in ('changed nothing', 'changed the order')]
    lines = textwrap.wrap('; '.join(done) or 'as the frame is', int(CHARACTERS * width), break_long_words=False)
    return '\n'.join([counted, *lines])


def depth_in_metres(trace: Trace) -> np.ma.MaskedArray:
    """Return the depth image (H, W) of a frame in metres, masked where the sensor saw nothing."""
    frame, loader = trace.depth_frame, trace.loader
    assert frame is not None
    scale = loader.scale_of(frame) if isinstance(loader, LoadDepthFrame) else frame.get('depth_scale', DEPTH_SCALE)
    stored = clear_beyond(read_depth(frame['depth_path']), frame.get('largest_depth', LARGEST_DEPTH))
    return np.ma.masked_equal(stored, 0) / scale


def frame_limits(pair: TracedPair, projection: Projection, box: Sequence[float] | None) -> np.ndarray:
    """Return the corners (2, 2), lower and upper, of what is shown of frames: nearly all points, the whole range."""
    clouds = [projection.apply(trace.coords) for trace in pair.traces]
    if pair.unit == '':
        return shown_limits(clouds, 100)
    corners = [shown_limits(clouds, FRAME_SHARE)]
    if projection.labels is not None:
        corners += [projection.apply(trace.sensor[None])[:, :2] for trace in pair.traces]
    if box is not None:
        corners.append(np.reshape(box, (2, 3))[:, :2])
    return shown_limits(corners, 100)


def view_limits(pair: TracedPair, projection: Projection) -> np.ndarray:
    """Return the corners (2, 2), lower and upper, of what is shown of views: all points of shapes, else nearly all."""
    clouds = [projection.apply(pair.points(view)) for view in pair.packed]
    if pair.unit == '':
        return shown_limits(clouds, 100)
    corners = [shown_limits(clouds, VIEW_SHARE)]
    if projection.labels is not None:
        corners += [projection.apply(trace.sensor_in_view[None])[:, :2] for trace in pair.traces]
    return shown_limits(corners, 100)


def shown_limits(places: Iterable[np.ndarray], share: float) -> np.ndarray:
    """Return the lower and upper corner (2, 2) of what is shown.

    Args:
        places: Places in the picture (N_i, 2 or more): to the right, up.
        share: The per cent of them, along each axis, that are inside; there is a margin besides.
    """
    every = np.concatenate([some[:, :2] for some in places])
    lower, upper = np.percentile(every, [(100 - share) / 2, (100 + share) / 2], axis=0)
    margin = MARGIN * np.maximum(upper - lower, 1e-3)
    return np.stack([lower - margin, upper + margin])


def with_room(limits: np.ndarray) -> np.ndarray:
    """Return limits (2, 2) with room for arrows below the points, where they cover none of them."""
    return limits - [[0, 2 * ARROWS * (limits[1, 0] - limits[0, 0])], [0, 0]]


def inside(places: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Return which places (N, 2 or more) are within limits (2, 2)."""
    return ((places[:, :2] >= limits[0]) & (places[:, :2] <= limits[1])).all(axis=1)


def panel_height(limits: np.ndarray) -> float:
    """Return the height of a panel, in inches, that shows limits (2, 2) with equal scales."""
    width, height = limits[1] - limits[0]
    return PANEL_WIDTH * float(np.clip(height / width, 0.3, 1.2))


def draw_view(axes: Any, pair: TracedPair, view: str, projection: Projection, limits: np.ndarray) -> PathCollection:
    """Draw a view by height; what has moved has its own colour, on top."""
    coords, moved = pair.points(view), pair.moved(view)
    # The colours of all views are the same, and a few points far above or below do not take them from the rest.
    heights = np.percentile(np.concatenate([pair.points(each)[:, 2] for each in pair.packed]), [1, 99])
    set_axes(axes, limits, projection, pair.unit)
    mappable = draw_heights(axes, coords[~moved], projection, limits, heights)
    if moved.any():
        places = projection.apply(coords[moved])
        axes.scatter(places[:, 0], places[:, 1], s=2, c=style.MOVED, linewidths=0)
    return mappable


def draw_locals(panels: Sequence[Any], pair: TracedPair, projection: Projection, limits: np.ndarray) -> None:
    """Draw the local views."""
    for axes, (name, trace) in zip(panels, pair.local_traces.items(), strict=True):
        draw_view(axes, pair, name, projection, limits)
        axes.set_title(view_title(pair, name, trace, projection, limits, pair.source_of(name), 0.45 * PANEL_WIDTH))


def draw_fates(axes: Any, trace: Trace, projection: Projection, limits: np.ndarray) -> dict[str, Artist]:
    """Draw a frame, coloured by what happens to its points.

    Returns:
        Name -> an example of the colour, for a legend.
    """
    handles: dict[str, Artist] = {}
    classes = trace.fate.copy()
    if trace.marks is not None:
        classes[(trace.marks == MOVED) & (trace.fate == KEPT)] = len(FATES)
    places = projection.apply(trace.coords)
    shown = inside(places, limits)
    for name, colour in style.FATE_COLOURS.items():
        chosen = places[shown & (classes == [*FATES, 'moved'].index(name))]
        if not len(chosen):
            continue
        size = point_size(len(places)) * (4 if name == 'moved' else 1)
        axes.scatter(chosen[:, 0], chosen[:, 1], s=size, c=colour, linewidths=0)
        handles[name] = Line2D([], [], linestyle='none', marker='o', color=colour)
    return handles


def draw_marks(
    axes: Any,
    projection: Projection,
    sensor: np.ndarray | None,
    regions: np.ndarray | None,
    box: Sequence[float] | None,
) -> dict[str, Artist]:
    """Draw where the sensor is (3,), the regions (M, 3), and the range into a panel; a range from above only.

    Returns:
        Name -> an example of the mark, for a legend.
    """
    handles: dict[str, Artist] = {}
    if sensor is not None:
        across, up, _ = projection.apply(sensor[None])[0]
        cross: dict[str, Any] = dict(marker='+', color=style.SENSOR, markersize=12, markeredgewidth=2)
        halo = [withStroke(linewidth=4, foreground='white')]
        handles['sensor'] = axes.plot(across, up, linestyle='none', path_effects=halo, **cross)[0]
    if box is not None:
        corner, size = (box[0], box[1]), (box[3] - box[0], box[4] - box[1])
        line: dict[str, Any] = dict(fill=False, edgecolor=style.RANGE, linestyle='--', linewidth=1)
        handles['range (point_cloud_range)'] = axes.add_patch(Rectangle(corner, *size, **line))
    if regions is not None and len(regions):
        places = projection.apply(regions)
        ring: dict[str, Any] = dict(marker='o', markerfacecolor='none', markeredgecolor=style.REGION)
        handles['region'] = axes.plot(places[:, 0], places[:, 1], linestyle='none', **ring)[0]
    return handles


def set_axes(axes: Any, limits: np.ndarray, projection: Projection, unit: str) -> None:
    """Set limits (2, 2) and labels of a panel; an oblique one has arrows along the axes of the points instead."""
    axes.set(xlim=limits[:, 0], ylim=limits[:, 1], aspect='equal')
    if projection.labels is not None:
        axes.set(xlabel=with_unit(projection.labels[0], unit), ylabel=with_unit(projection.labels[1], unit))
        return
    axes.set(xticks=[], yticks=[])
    longest = ARROWS * (limits[1, 0] - limits[0, 0])
    length = max(
        step * 10.0**power
        for power in (math.floor(math.log10(longest)), math.floor(math.log10(longest)) - 1)
        for step in (1, 2, 5)
        if step * 10.0**power <= longest
    )
    ends = length * projection.axes.T[:, :2]
    start = limits[0] + [0.5 * length, 0.7 * length]
    for name, end in zip('xyz', ends, strict=True):
        axes.annotate('', start + end, start, arrowprops=dict(arrowstyle='->', linewidth=0.8, shrinkA=0, shrinkB=0))
        axes.annotate(name, start + 1.35 * end, ha='center', va='center', fontsize=style.SMALL)
    said = f'arrows: {length:g} {unit}'.rstrip()
    axes.annotate(said, start + np.array([1.8 * length, 0]), va='center', fontsize=style.SMALL)


def with_unit(name: str, unit: str) -> str:
    """Return the name of an axis with its unit, if it has one."""
    return f'{name} [{unit}]' if unit else name


def point_size(number: int) -> float:
    """Return the size of a point, in square points: the fewer there are, the larger."""
    return float(np.clip(4000 / max(number, 1), 0.5, 16))


def draw_heights(
    axes: Any, coords: np.ndarray, projection: Projection, limits: np.ndarray, heights: Sequence[float]
) -> PathCollection:
    """Draw those of the points (N, 3) that are within limits (2, 2), coloured by z between two heights."""
    places = projection.apply(coords)
    order = places[:, 2].argsort()  # the nearest last, on top
    order = order[inside(places[order], limits)]
    style_of: dict[str, Any] = dict(linewidths=0, cmap=style.HEIGHT_MAP, vmin=heights[0], vmax=heights[1])
    return axes.scatter(places[order, 0], places[order, 1], s=point_size(len(coords)), c=coords[order, 2], **style_of)


def draw_points(
    axes: Any, coords: np.ndarray, limits: np.ndarray, plane: str = 'xy', unit: str = 'm'
) -> PathCollection:
    """Draw points, coloured by their height, as seen along the axis that is not in the plane.

    Args:
        axes: The panel.
        coords: The points (N, 3), z upwards.
        limits: Lower and upper corner (2, 3) of the box to show; the colours span its z.
        plane: 'xy' from above, or 'xz' from the side, against the direction of y.
        unit: The unit of the points; '' of a shape's.

    Returns:
        The points.
    """
    projection = FROM_ABOVE if plane == 'xy' else FROM_THE_SIDE
    in_plane = limits[:, ['xyz'.index(axis) for axis in plane]]
    set_axes(axes, in_plane, projection, unit)
    return draw_heights(axes, coords, projection, in_plane, limits[:, 2].tolist())
