"""The zoo as Markdown: the tables of docs/zoo.md, made of the records alone."""

from __future__ import annotations

from collections.abc import Iterable

from ..decimal_places import decimal_places
from .entry import DetectorGain, Entry

NOTHING_MEASURED = 'Not measured.'


def zoo_tables(entries: Iterable[Entry]) -> str:
    """Return a section for each encoder: what it is, how it was made, what it gained."""
    return '\n'.join(section(entry) for entry in entries)


def section(entry: Entry) -> str:
    """Return the section of an encoder."""
    lines = [
        f'### {entry.name}',
        '',
        f"`load_from = 'strl://{entry.name}'`: the trunk of {entry.detector}, {entry.size / 2**20:.1f} MB, pre-trained "
        f'on {entry.data}. Config: [`{entry.config}`](../{entry.config}). Made {entry.made}.',
        '',
        f'SHA-256 `{entry.sha256}`',
        '',
        '```bash',
        *entry.commands,
        '```',
        '',
    ]
    if not entry.gains:
        return '\n'.join([*lines, NOTHING_MEASURED, ''])
    lines += [
        '| downstream | labelled frames | steps | metric | from scratch | with it | difference | seeds |',
        '|---|---|---|---|---|---|---|---|',
        *(row(gain) for gain in entry.gains),
        '',
    ]
    return '\n'.join(lines)


def row(gain: DetectorGain) -> str:
    """Return the table's row of a gain."""
    metric = gain.metric.rpartition('/')[2].replace('_', ' ')
    digits = decimal_places(gain.metric, [gain.baseline, gain.mean])
    interval = f'{gain.difference:+.{digits}f} ({gain.confidence:.0%}: {gain.low:.{digits}f} to {gain.high:.{digits}f})'
    means = [f'{each:.{digits}f}' for each in (gain.baseline, gain.mean)]
    cells = [gain.downstream, gain.num_frames, gain.iterations, metric, *means]
    return '| ' + ' | '.join(map(str, [*cells, interval, len(gain.seeds)])) + ' |'
