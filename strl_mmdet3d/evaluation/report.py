"""A page about a run, as one file: verdict, curves, sample pairs, numbers, warnings, config. Needs the extra 'vis'."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from mmengine.config import Config

from . import figure_style as style
from .figure_text import one_line, plain_text
from .hover_svg import hover_svg
from .html_page import folded, html_page, picture, table
from .pair_figure import draw_pair
from .run_facts import DATA_HEADER, command, commit, data_rows, versions
from .run_log import DEPRECATION, Curves, in_words, read_curves, read_duration, read_warnings
from .run_verdict import Verdict, judge
from .scalar_words import in_order, is_mean, words_of
from .traced_pair import build_traced_dataset

NUM_PAIRS = 3
MAX_WARNINGS = 100
MAX_HOVERED = 150  # points of a curve
PANEL_SIZE = (4.0, 2.3)  # inches


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
    curves = cache(lambda: read_curves(sessions))
    warnings = cache(lambda: read_warnings(sessions))
    parts: list[tuple[str, Callable[[], str]]] = [
        ('Verdict', lambda: verdict_html(judge(curves(), warnings(), config))),
        ('Run', lambda: run_table(sessions, config)),
        ('Curves', lambda: curves_html(curves(), config)),
        ('Numbers', lambda: numbers_table(curves())),
        ('Warnings', lambda: warnings_table(warnings())),
        ('Data and sample pairs', lambda: data_html(config)),
        ('Sessions', lambda: sessions_table(sessions)),
        ('Versions', lambda: folded('python, torch and the OpenMMLab packages', versions_table())),
        ('Config', lambda: folded('the whole config of the run', f'<pre>{escape(config.pretty_text)}</pre>')),
    ]
    return html_page(title, [_part(heading, make) for heading, make in parts])


def _part(heading: str, make: Callable[[], str]) -> str:
    """Make a part of the page, or a paragraph that says why it cannot be made."""
    try:
        content = make()
    except Exception as error:  # no error may fail a finished training
        reason = escape(f'{type(error).__name__}: {error}')
        content = f'<p class="failed">This part could not be made: {reason}</p>'
    return f'<h2>{escape(heading)}</h2>\n{content}'


def verdict_html(verdict: Verdict) -> str:
    """Return a verdict and what to do next as HTML."""
    kind = {True: ' good', False: ' bad', None: ''}[verdict.good]
    steps = ''.join(f'<li>{escape(step)}</li>' for step in verdict.next_steps)
    return f'<p class="verdict{kind}">{escape(verdict.sentence)}</p>\n<p>Next:</p>\n<ul>{steps}</ul>'


def run_table(sessions: Sequence[Path], config: Config) -> str:
    """Return a table, as HTML, of how the run was made."""
    loader = config.get('train_dataloader') or {}
    seed = (config.get('randomness') or {}).get('seed')
    resumed = f' in {len(sessions)} sessions' if len(sessions) > 1 else ''
    rows = [
        ('duration', f'{in_words(read_duration(sessions))}{resumed}'),
        ('command', command()),
        ('commit of strl_mmdet3d', commit()),
        ('folder', str(config.get('work_dir', 'not set'))),
        ('pairs in a batch', f'{loader.get("batch_size", "not set")} on each rank'),
        ('seed', f'randomness.seed={seed}'),
    ]
    return table(['', 'this run'], rows)


def versions_table() -> str:
    """Return a table, as HTML, of the platform, Python and the packages that affect a run."""
    rows = [(name, found or 'not installed under this name') for name, found in versions().items()]
    return table(['', 'version'], [('platform', platform.platform()), *rows])


def curves_html(curves: Curves, config: Config) -> str:
    """Return the curves as HTML, each with what it is; a point says its iteration and value."""
    logger = (config.get('default_hooks') or {}).get('logger') or {}
    window = (config.get('log_processor') or {}).get('window_size', 10)
    smoothing = (
        f'Values are logged every {logger.get("interval", 10)} iterations of an epoch, and at its end. Where the '
        f'caption says "mean", a value is the mean of the last {window} iterations (log_processor.window_size), else '
        'the latest that was measured: some are measured more rarely than logged. Nothing else is smoothed.'
    )
    figures = []
    for number, name in enumerate(in_order(curves)):
        curve = curves[name]
        figure, says = draw_curve(name, curve, f'hover-{number}')
        words = words_of(name)
        mean = f'mean of {window} iterations' if is_mean(name) else ''
        caption = '; '.join(filter(None, [words.words, mean]))
        drawn = hover_svg(figure, says, f'{name} over the iterations')
        figures.append(f'<figure>{drawn}<figcaption><b>{escape(name)}</b> {escape(caption)}</figcaption></figure>')
    return f'<p>{escape(smoothing)}</p>\n<div class="curves">\n' + '\n'.join(figures) + '\n</div>'


@plain_text
def draw_curve(name: str, curve: Mapping[int, float], gid: str) -> tuple[Figure, dict[str, list[str]]]:
    """Draw a scalar over the iterations.

    Values that are not finite are left out; the title counts them.

    Args:
        name: The scalar.
        curve: Its values.
        gid: What to call its points.

    Returns:
        The picture, and gid -> what each of its points says under the pointer; at most :data:`MAX_HOVERED`.
    """
    unit = words_of(name).unit
    steps, values = np.array(list(curve)), np.array(list(curve.values()))
    finite = np.isfinite(values)
    missing = f' ({(~finite).sum()} not finite)' if not finite.all() else ''
    steps, values = steps[finite], values[finite]
    figure = Figure(figsize=PANEL_SIZE, layout='constrained')
    axes = figure.subplots()
    axes.plot(steps, values, marker='.' if len(steps) < 50 else None, linewidth=1, color=style.COLOURS[1])
    chosen = np.unique(np.linspace(0, len(steps) - 1, MAX_HOVERED).astype(int)) if len(steps) else np.empty(0, int)
    hover = axes.plot(steps[chosen], values[chosen], linestyle='none', marker='o', markersize=9, alpha=0.01)[0]
    hover.set_gid(gid)
    axes.set_title(f'{one_line(name)}{f" [{unit}]" if unit else ""}{missing}')
    axes.set_xlabel('iteration')
    axes.grid(color='0.9')
    says = [f'iteration {steps[n]:,}: {values[n]:.4g} {unit}'.rstrip() for n in chosen]
    return figure, {gid: says}


def sessions_table(sessions: Sequence[Path]) -> str:
    """Return a table, as HTML, of the log folders of a run; it says whether each still exists."""
    rows = [[session.name, 'found' if session.is_dir() else 'MISSING'] for session in sessions]
    return table(['session', 'log'], rows)


def numbers_table(curves: Curves) -> str:
    """Return a table, as HTML, of the first, last, least and largest value of each scalar."""
    rows = []
    for name in in_order(curves):
        curve = curves[name]
        values = list(curve.values())
        finite = [value for value in values if math.isfinite(value)] or [math.nan]
        last_step = next(reversed(curve))
        numbers = (f'{x:.4g}' for x in (values[-1], values[0], min(finite), max(finite)))
        rows.append([name, words_of(name).unit, last_step, *numbers])
    return table(['scalar', 'unit', 'last iteration', 'last', 'first', 'least', 'largest'], rows)


def warnings_table(counts: Mapping[str, int]) -> str:
    """Return a table, as HTML, of the first 100 warnings; what other libraries call deprecated is only counted."""
    foreign = [message for message in counts if DEPRECATION.search(message)]
    own = {message: count for message, count in counts.items() if message not in foreign}
    said = (
        f'<p>{len(foreign)} deprecation warnings of other libraries are left out, see the logs.</p>' if foreign else ''
    )
    if not own:
        return f'<p>None.</p>{said}'
    shown = table(['times', 'warning'], ([count, message] for message, count in islice(own.items(), MAX_WARNINGS)))
    left_out = len(own) - MAX_WARNINGS
    return shown + (f'<p>And {left_out} others, see the logs.</p>' if left_out > 0 else '') + said


def data_html(config: Config) -> str:
    """Return what the training set holds and pictures of the first three pairs of the first epoch, as HTML.

    Errors are as in `build_traced_dataset`.
    """
    dataset, sampler, tracer = build_traced_dataset(config)
    summary = table(DATA_HEADER, data_rows(dataset))
    keys = list(islice(sampler, NUM_PAIRS))
    pictures = (picture(draw_pair(dataset, key, tracer), f'the pair of item {key.index}') for key in keys)
    return '\n'.join([summary, *pictures])
