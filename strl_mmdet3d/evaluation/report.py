"""A page about a run, as one file: its curves, sample pairs, numbers, warnings and config. Needs the extra 'vis'."""

from __future__ import annotations

import base64
import io
import json
import math
import platform
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from mmengine.config import Config

from .figure_text import one_line, plain_text, save_picture
from .pair_figure import build_recorded_dataset, draw_pair

Curves = dict[str, dict[int, float]]
"""Name of a scalar -> step -> value."""

NO_CURVES = ('step', 'iter', 'epoch')  # these number the rows of a log; they are not measured
PACKAGES = ('strl_mmdet3d', 'mmdet3d', 'mmdet', 'mmcv', 'mmengine', 'spconv', 'torch', 'numpy')
NUM_PAIRS = 3
MAX_WARNINGS = 100
DPI = 80
PANEL_SIZE = (4.2, 2.6)  # inches

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; }}
img {{ max-width: 100%; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid #ccc; padding: 0.2em 0.6em; text-align: left; }}
td.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
pre {{ background: #f4f4f4; padding: 1em; overflow-x: auto; }}
.failed {{ color: #a00; }}
</style>
</head>
<body>
<h1>{title}</h1>
{parts}
</body>
</html>
"""

# A record in mmengine's log file: '2026/11/24 00:18:06 - mmengine - WARNING - message', which may have several lines.
RECORD_START = re.compile(r'^(?=\d{4}/\d\d/\d\d \d\d:\d\d:\d\d - \S+ - [A-Z]+ - )', re.MULTILINE)
WARNING = re.compile(r'[\d/]+ [\d:]+ - \S+ - (?:WARNING|ERROR|CRITICAL) - (.*)', re.DOTALL)


def write_report(sessions: Sequence[Path], config: Config, title: str) -> str:
    """Write the page of a run.

    If a part cannot be made, the page says so and has the other parts.

    Args:
        sessions: The log folders of the run, mmengine's ``WORK_DIR/TIMESTAMP``, in the order of time; several if the
            run was resumed.
        config: The run's config, read in mmdet3d's scope; its training set gives the sample pairs.
        title: The heading of the page.

    Returns:
        The page, as HTML.
    """
    parts: list[tuple[str, Callable[[], str]]] = [
        ('Sessions', lambda: sessions_table(sessions)),
        ('Numbers', lambda: numbers_table(read_curves(sessions))),
        ('Curves', lambda: picture(draw_curves(read_curves(sessions)), 'the logged scalars over the iterations')),
        ('Warnings', lambda: warnings_table(read_warnings(sessions))),
        ('Sample pairs', lambda: sample_pairs(config)),
        ('Versions', versions_table),
        ('Config', lambda: f'<pre>{escape(config.pretty_text)}</pre>'),
    ]
    page = PAGE.format(title=escape(title), parts='\n'.join(_part(heading, make) for heading, make in parts))
    return page.encode('utf-8', 'replace').decode()  # half a surrogate pair could not be written to a file


def _part(heading: str, make: Callable[[], str]) -> str:
    """Make a part of the page, or a paragraph that says why it cannot be made."""
    try:
        content = make()
    except Exception as error:  # no error may fail a finished training
        reason = escape(f'{type(error).__name__}: {error}')
        content = f'<p class="failed">This part could not be made: {reason}</p>'
    return f'<h2>{escape(heading)}</h2>\n{content}'


def read_curves(sessions: Sequence[Path]) -> Curves:
    """Read the logged scalars, and join the sessions.

    If a session was killed and the next one repeated some steps, the later values count.

    Args:
        sessions: The log folders, in the order of time, each with the ``vis_data/scalars.json`` that mmengine's
            ``LocalVisBackend`` writes, one JSON object per line.

    Returns:
        The curves, by name, with ascending steps. They keep values that are NaN or infinite.

    Raises:
        FileNotFoundError: If no session has logged anything.
    """
    files = [path for session in sessions if (path := session / 'vis_data' / 'scalars.json').is_file()]
    if not files:
        raise FileNotFoundError(
            f"no vis_data/scalars.json in {', '.join(map(str, sessions))}: add dict(type='LocalVisBackend') to "
            'visualizer.vis_backends'
        )
    curves: Curves = {}
    for file in files:
        for line in file.read_text(encoding='utf-8').splitlines():
            try:
                row = json.loads(line)
                step = int(row['step'])
            except (ValueError, KeyError, TypeError):  # a line that a kill has cut off
                continue
            for name, value in row.items():
                if name not in NO_CURVES and isinstance(value, (int, float)):
                    curves.setdefault(name, {})[step] = float(value)
    return {name: dict(sorted(curve.items())) for name, curve in sorted(curves.items())}


@plain_text
def draw_curves(curves: Curves) -> Figure:
    """Draw each scalar over the iterations, one panel for each of at least one curve.

    Values that are not finite are left out; the panel's title counts them.
    """
    columns = min(3, len(curves))
    rows = math.ceil(len(curves) / columns)
    figure = Figure(figsize=(columns * PANEL_SIZE[0], rows * PANEL_SIZE[1]), layout='constrained')
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, (name, curve) in zip(panels, curves.items(), strict=False):
        steps, values = np.array(list(curve)), np.array(list(curve.values()))
        shown = np.isfinite(values)
        axes.plot(steps[shown], values[shown], marker='.' if shown.sum() < 50 else None, linewidth=1)
        missing = f' ({(~shown).sum()} not finite)' if not shown.all() else ''
        axes.set_title(one_line(name) + missing, fontsize=9)
        axes.set_xlabel('iteration', fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    for axes in islice(figure.axes, len(curves), None):
        axes.set_axis_off()
    return figure


def sessions_table(sessions: Sequence[Path]) -> str:
    """Return a table, as HTML, of the log folders of a run; it says whether each still exists."""
    rows = [[session.name, 'found' if session.is_dir() else 'MISSING'] for session in sessions]
    return table(['session', 'log'], rows)


def numbers_table(curves: Curves) -> str:
    """Return a table, as HTML, of the first, last, least and largest value of each scalar."""
    rows = []
    for name, curve in curves.items():
        values = list(curve.values())
        finite = [value for value in values if math.isfinite(value)] or [math.nan]
        last_step = next(reversed(curve))
        rows.append([name, last_step, *(f'{x:.4g}' for x in (values[-1], values[0], min(finite), max(finite)))])
    return table(['scalar', 'last iteration', 'last', 'first', 'least', 'largest'], rows)


def read_warnings(sessions: Sequence[Path]) -> Counter[str]:
    """Collect the warnings and errors that the run has logged.

    Args:
        sessions: The log folders, each with mmengine's ``*.log``.

    Returns:
        Message -> how often it was logged, in the order of first occurrence.
    """
    files = [file for session in sessions for file in sorted(session.glob('*.log'))]
    logs = [file.read_text(encoding='utf-8', errors='replace') for file in files]
    warnings = [WARNING.match(record) for log in logs for record in RECORD_START.split(log)]
    return Counter(warning[1].rstrip() for warning in warnings if warning)


def warnings_table(counts: dict[str, int]) -> str:
    """Return a table, as HTML, of the first 100 of the warnings that `read_warnings` has counted."""
    if not counts:
        return '<p>None.</p>'
    shown = table(['times', 'warning'], ([count, message] for message, count in islice(counts.items(), MAX_WARNINGS)))
    left_out = len(counts) - MAX_WARNINGS
    return shown + (f'<p>And {left_out} others, see the logs.</p>' if left_out > 0 else '')


def sample_pairs(config: Config) -> str:
    """Return pictures, as HTML, of the first three pairs of the first epoch; errors as in `build_recorded_dataset`."""
    dataset, sampler, recorder = build_recorded_dataset(config)
    keys = list(islice(sampler, NUM_PAIRS))
    return '\n'.join(picture(draw_pair(dataset, key, recorder), f'the pair of item {key.index}') for key in keys)


def versions_table() -> str:
    """Return a table, as HTML, of the versions of Python and of the packages that affect a run."""
    rows = [['python', platform.python_version()], ['platform', platform.platform()]]
    for package in PACKAGES:
        try:
            rows.append([package, version(package)])
        except PackageNotFoundError:
            rows.append([package, 'not installed under this name'])
    return table(['package', 'version'], rows)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table as HTML, with all text escaped and numbers aligned to the right."""
    head = ''.join(f'<th>{escape(name)}</th>' for name in header)
    body = '\n'.join(f'<tr>{"".join(map(_cell, row))}</tr>' for row in rows)
    return f'<table>\n<tr>{head}</tr>\n{body}\n</table>'


def _cell(value: object) -> str:
    """Make a cell of a table."""
    text = str(value)
    try:
        float(text)
    except ValueError:
        return f'<td>{escape(text)}</td>'
    return f'<td class="number">{escape(text)}</td>'


def picture(figure: Figure, description: str) -> str:
    """Return an image as HTML that holds the picture itself; `description` is its alternative text."""
    buffer = io.BytesIO()
    save_picture(figure, buffer, DPI)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<p><img alt="{escape(description)}" src="data:image/png;base64,{data}"></p>'
