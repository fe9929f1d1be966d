"""A page of training pairs to be turned by mouse: what happens to each frame's points, and the views made of them.

The page is one file that needs no network. Needs the extra 'vis'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from torch.utils.data import Dataset

from ..datasets import PairKey
from ..datasets.transforms.mark_moved import MOVED
from ..datasets.transforms.views import VIEWS
from .figure_style import FATE_COLOURS, rgb
from .html_page import folded, html_page, table
from .pair_figure import pasted_text, with_unit
from .pair_trace import FATES, KEPT, PairTracer, Trace
from .point_viewer import BY_HEIGHT, PALETTE, REGION_COLOUR, SCRIPT, STYLE, Cloud, clouds_html, shown_heights
from .traced_pair import TracedPair, counted_fates, trace_pair

MAX_SHOWN = 60_000  # points of a cloud; all of a scan's would make the page several times larger
MOVED_CLASS = len(FATES)
CLASSES = (*FATES, 'moved')
COLOURS = tuple(rgb(FATE_COLOURS[name]) for name in CLASSES)
HELP = (
    'Turn by mouse or finger; the pictures of a pair turn together. Shift moves, the wheel zooms, a double click goes '
    'back. A point under the pointer says where it is and what happens to it. Frames are coloured by what happens to '
    'their points, views by height.'
)


def pairs_page(dataset: Dataset, keys: Iterable[PairKey], tracer: PairTracer, title: str) -> str:
    """Return the page of some pairs, as HTML."""
    pairs = (trace_pair(dataset, key, tracer) for key in keys)
    parts = [pair_html(pair, group) for group, pair in enumerate(pairs)]
    return html_page(title, [STYLE, f'<p>{HELP}</p>', *parts, SCRIPT])


def pair_html(pair: TracedPair, group: int) -> str:
    """Return the part of the page about a pair: the frames above, the views below, and what was done."""
    box = pair.part.point_cloud_range
    frames = [frame_cloud(pair, n) for n in range(len(VIEWS))]
    named = {**dict(zip(VIEWS, pair.traces, strict=True)), **pair.local_traces}
    views = [view_cloud(pair, name, trace, box if name in VIEWS else None) for name, trace in named.items()]
    clouds = [*frames, *views]
    return '\n'.join(
        [
            f'<h2>{escape(pair.sources[0]["sequence_id"])}</h2>',
            f'<p>{escape(pair.facts())}</p>',
            legend(pair, clouds, group),
            clouds_html(clouds, group, COLOURS, CLASSES, pair.unit),
            steps_table(VIEWS, pair.traces),
            *[folded('Local views', steps_table([name], [trace])) for name, trace in pair.local_traces.items()],
        ]
    )


def frame_cloud(pair: TracedPair, number: int) -> Cloud:
    """Return the first (0) or second frame, coloured by what happens to its points."""
    trace, source = pair.traces[number], pair.sources[number]
    shown = evenly(len(trace.coords))
    classes = trace.fate.copy()
    if trace.marks is not None:
        classes[(trace.marks == MOVED) & (classes == KEPT)] = MOVED_CLASS
    caption = (
        f'frame {number + 1} (no. {source["frame_index"]} of its sequence): {source["frame_path"]}: '
        f'{trace.num_loaded:,} points{pasted_text(trace)}: {counted_fates(trace)}{_of_shown(shown, len(trace.coords))}'
    )
    regions = trace.regions if trace.regions is not None else np.empty((0, 3))
    sensor = trace.sensor if pair.unit else None  # a shape has none
    return Cloud(caption, trace.coords[shown], classes[shown], sensor, regions, pair.part.point_cloud_range)


def view_cloud(pair: TracedPair, name: str, trace: Trace, box: Sequence[float] | None) -> Cloud:
    """Return a view, coloured by height, with the points that have moved in their own colour."""
    coords = pair.points(name)
    classes = np.where(pair.moved(name), MOVED_CLASS, BY_HEIGHT).astype(np.uint8)
    shown = evenly(len(coords))
    caption = f'{name.replace("_", " ")}{pair.source_of(name)}: {len(coords):,} points{_of_shown(shown, len(coords))}'
    sensor = trace.sensor_in_view if pair.unit else None
    return Cloud(caption, coords[shown], classes[shown], sensor, pair.regions(name), box)


def evenly(number: int) -> np.ndarray:
    """Return which of a number of points to show: all of them, or :data:`MAX_SHOWN` evenly taken."""
    return np.arange(number) if number <= MAX_SHOWN else np.linspace(0, number - 1, MAX_SHOWN).astype(int)


def _of_shown(shown: np.ndarray, number: int) -> str:
    """Say that not all points are shown."""
    return f' ({len(shown):,} shown)' if len(shown) < number else ''


def legend(pair: TracedPair, clouds: Sequence[Cloud], group: int) -> str:
    """Return the legend, as HTML, whose boxes hide a class of points."""
    classes = np.unique(np.concatenate([cloud.classes for cloud in clouds]))
    labels = [
        f'<label><input type="checkbox" checked data-group="{group}" data-class="{number}">'
        f'<i style="background: rgb{COLOURS[number]}"></i>{CLASSES[number]}</label>'
        for number in range(len(CLASSES))
        if number in classes
    ]
    low, high = shown_heights(clouds)
    steps = ', '.join(f'rgb({red}, {green}, {blue})' for red, green, blue in PALETTE[::9])
    labels.append(
        f'<label>{escape(with_unit("z of views", pair.unit))} {low:.2f}'
        f'<i class="scale" style="background: linear-gradient(to right, {steps})"></i>{high:.2f}</label>'
    )
    if any(cloud.sensor is not None for cloud in clouds):
        labels.append('<label><b>+</b> sensor</label>')
    if pair.part.point_cloud_range is not None:
        labels.append('<label><i class="range"></i>range (point_cloud_range)</label>')
    if any(len(cloud.regions) for cloud in clouds):
        labels.append(f'<label><i class="region" style="background: {REGION_COLOUR}"></i>region</label>')
    return f'<p class="legend">{"".join(labels)}</p>'


def steps_table(names: Sequence[str], traces: Sequence[Trace]) -> str:
    """Return a table, as HTML, of what each transform did to views, which go through the same ones."""
    steps = zip(*(trace.steps for trace in traces), strict=True)
    rows = [(of_views[0][0], *(words for _, words in of_views)) for of_views in steps]
    return table(['transform', *(name.replace('_', ' ') for name in names)], rows)
