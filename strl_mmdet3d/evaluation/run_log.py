"""Reading what a run has logged: its scalars, its warnings, and how long it took."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

Curves = dict[str, dict[int, float]]
"""Name of a scalar -> step -> value."""

NO_CURVES = ('step', 'iter', 'epoch')  # these number the rows of a log; they are not measured

# A record in mmengine's log file: '2026/11/24 00:18:06 - mmengine - WARNING - message', which may have several lines.
RECORD_START = re.compile(r'^(?=\d{4}/\d\d/\d\d \d\d:\d\d:\d\d - \S+ - [A-Z]+ - )', re.MULTILINE)
WARNING = re.compile(r'[\d/]+ [\d:]+ - \S+ - (?:WARNING|ERROR|CRITICAL) - (.*)', re.DOTALL)
TIME, TIME_FORMAT = re.compile(r'^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?= - )', re.MULTILINE), '%Y/%m/%d %H:%M:%S'
DEPRECATION = re.compile(r'deprecat|FutureWarning|will be removed in', re.IGNORECASE)
"""What other libraries say to their developers; no message of this package does."""


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


def read_warnings(sessions: Sequence[Path]) -> Counter[str]:
    """Collect the warnings and errors that the run has logged.

    Args:
        sessions: The log folders, each with mmengine's ``*.log``.

    Returns:
        Message -> how often it was logged, in the order of first occurrence.
    """
    warnings = [WARNING.match(record) for log in _logs(sessions) for record in RECORD_START.split(log)]
    return Counter(warning[1].rstrip() for warning in warnings if warning)


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


def _logs(sessions: Sequence[Path]) -> list[str]:
    """Read the log files of the sessions."""
    files = [file for session in sessions for file in sorted(session.glob('*.log'))]
    return [file.read_text(encoding='utf-8', errors='replace') for file in files]
