"""Reading what a run has logged: its scalars, its warnings, and how long it took.

A session may be resumed from an earlier checkpoint than the last session's end, and train some steps again. What the
last session said of these steps, and of later ones, is about another encoder, and does not count.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Curves = dict[str, dict[int, float]]
"""Name of a scalar -> step -> value."""

NO_CURVES = ('step', 'iter', 'epoch')  # these number the rows of a log; they are not measured

# A record in mmengine's log file: '2026/11/24 00:18:06 - mmengine - WARNING - message', which may have several lines.
RECORD_START = re.compile(r'^(?=\d{4}/\d\d/\d\d \d\d:\d\d:\d\d - \S+ - [A-Z]+ - )', re.MULTILINE)
WARNING = re.compile(r'[\d/]+ [\d:]+ - \S+ - (?:WARNING|ERROR|CRITICAL) - (.*)', re.DOTALL)
INITIALIZATION = '\nName of parameter - Initialization information'
"""mmengine's table of how a model's parameters were initialized, which it writes to the log without a record's head."""
TIME, TIME_FORMAT = re.compile(r'^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?= - )', re.MULTILINE), '%Y/%m/%d %H:%M:%S'
DEPRECATION = re.compile(r'deprecat|FutureWarning|will be removed in', re.IGNORECASE)
"""What other libraries say to their developers; no message of this package does."""

ITERATION = re.compile(r'iteration (\d+)')  # what a warning of this package is about
ABANDONED = 'in steps that a later session trained again: '
"""Before a warning of such steps."""


def read_curves(sessions: Sequence[Path]) -> Curves:
    """Read the logged scalars, and join the sessions.

    Where a session began again from an earlier step, the values of earlier sessions from there on are left out.

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
        rows = _rows(file)
        begin = _begin(rows)
        for curve in curves.values():
            for step in [step for step in curve if step >= begin]:
                del curve[step]
        for step, row in rows:
            for name, value in row.items():
                if name not in NO_CURVES and isinstance(value, (int, float)):
                    curves.setdefault(name, {})[step] = float(value)
    return {name: dict(sorted(curve.items())) for name, curve in sorted(curves.items()) if curve}


def read_warnings(sessions: Sequence[Path]) -> Counter[str]:
    """Collect the warnings and errors that the run has logged.

    Args:
        sessions: The log folders, in the order of time, each with mmengine's ``*.log``.

    Returns:
        Message -> how often it was logged, in the order of first occurrence. A message about an iteration that a later
        session trained again begins with :data:`ABANDONED`.
    """
    counts: Counter[str] = Counter()
    begins = [_begin(_rows(session / 'vis_data' / 'scalars.json')) for session in sessions]
    for number, session in enumerate(sessions):
        end = min(begins[number + 1 :], default=math.inf)
        for log in _logs([session]):
            for warning in filter(None, map(WARNING.match, RECORD_START.split(log))):
                iteration = ITERATION.match(warning[1])
                abandoned = iteration is not None and int(iteration[1]) >= end
                message = warning[1].partition(INITIALIZATION)[0].rstrip()
                counts[f'{ABANDONED if abandoned else ""}{message}'] += 1
    return counts


def read_duration(sessions: Sequence[Path]) -> timedelta:
    """Return the time from the first to the last record of each session, summed."""
    total = timedelta()
    for log in _logs(sessions):
        times = [datetime.strptime(time, TIME_FORMAT) for time in TIME.findall(log)]
        if times:
            total += max(times[-1] - times[0], timedelta())
    return total


def in_words(duration: timedelta) -> str:
    """Write a duration, such as '2 h 05 min'."""
    seconds = round(duration.total_seconds())
    if seconds < 60:
        return f'{seconds} s'
    minutes = round(seconds / 60)
    return f'{minutes // 60} h {minutes % 60:02d} min' if minutes >= 60 else f'{minutes} min'


def _rows(file: Path) -> list[tuple[int, dict[str, Any]]]:
    """Read a file of scalars, if there is one: the step of each line, and the line."""
    rows = []
    for line in file.read_text(encoding='utf-8').splitlines() if file.is_file() else ():
        try:
            row = json.loads(line)
            rows.append((int(row['step']), row))
        except (ValueError, KeyError, TypeError):  # a line that a kill has cut off
            continue
    return rows


def _begin(rows: list[tuple[int, dict[str, Any]]]) -> float:
    """Return the first step of a session that has logged a loss; infinite if it did not get that far."""
    return min((step for step, row in rows if 'loss' in row), default=math.inf)


def _logs(sessions: Sequence[Path]) -> list[str]:
    """Read the log files of the sessions."""
    files = [file for session in sessions for file in sorted(session.glob('*.log'))]
    return [file.read_text(encoding='utf-8', errors='replace') for file in files]
