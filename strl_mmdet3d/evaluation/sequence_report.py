"""What is known of a sequence index before a training, as tables, and as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .frame_facts import QUANTILES
from .pair_overlap import NEAR
from .sequence_survey import Survey
from .sequence_verdicts import ground_z, verdicts

MAX_ROWS = 30
WORDS = {'lidar': 'LiDAR scans', 'depth': 'depth images', 'shape': 'shapes'}


@dataclass
class Section:
    """A part of the report: a heading, sentences, and a table.

    Attributes:
        heading: The heading.
        lines: Sentences.
        header: The names of the table's columns; empty without a table.
        rows: The table.
    """

    heading: str
    lines: list[str] = field(default_factory=list)
    header: Sequence[str] = ()
    rows: list[Sequence[object]] = field(default_factory=list)


def report_sections(survey: Survey) -> list[Section]:
    """Return the parts of the report, the verdicts first."""
    sections = [_verdict_section(survey), _sequence_section(survey)]
    if survey.frames:
        sections += [_frame_section(survey), _value_section(survey)]
    if survey.overlaps:
        sections.append(_overlap_section(survey))
    for heading, lines in (
        ('Jumps of the pose', [jump for sequence in survey.sequences for jump in sequence.jumps]),
        ('Gaps of time', [gap for sequence in survey.sequences for gap in sequence.time_gaps]),
        ('Frames that cannot be used', [reason for _, reason in survey.bad]),
    ):
        if lines:
            sections.append(Section(heading, _first(lines)))
    return sections


def report_text(survey: Survey) -> str:
    """Return the report as text."""
    parts = []
    for section in report_sections(survey):
        table = [list(map(str, section.header)), *[list(map(str, row)) for row in section.rows]]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)] if section.header else []
        rows = [_line(row, widths) for row in table] if section.header else []
        parts.append('\n'.join([section.heading, *(f'  {line}' for line in section.lines), *rows]))
    return '\n\n'.join(parts)


def _line(row: list[str], widths: list[int]) -> str:
    """Return a line of a table, the first column to the left and the others to the right."""
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return '  ' + '  '.join(cells)


def _first(lines: list[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - MAX_ROWS
    return [*lines[:MAX_ROWS], *([f'and {more} more'] if more > 0 else [])]


def _verdict_section(survey: Survey) -> Section:
    """What to look at."""
    sentences = verdicts(survey)
    heading = f'{len(sentences)} thing{"s" * (len(sentences) != 1)} to look at' if sentences else 'Nothing stands out'
    return Section(heading, sentences)


def _sequence_section(survey: Survey) -> Section:
    """The sequences."""
    source = survey.metainfo.get('source')
    posed = sum(sequence.has_poses for sequence in survey.sequences)
    timed = sum(sequence.seconds is not None for sequence in survey.sequences)
    lines = [
        f'{survey.num_frames:,} {WORDS[survey.kind]} in {len(survey.sequences):,} sequences'
        + (f', from the source {source}' if source else '')
        + f'; {posed:,} with poses, {timed:,} with time stamps'
    ]
    lengths = [sequence.num_frames for sequence in survey.sequences]
    lines.append(f'frames per sequence: {min(lengths):,} to {max(lengths):,}, median {np.median(lengths):,.0f}')
    for reason, number in (survey.metainfo.get('split_reasons') or {}).items():
        lines.append(f'told apart by {reason}: {number}')
    if survey.labels:
        classes = survey.metainfo['classes']
        lines.append('labels: ' + ', '.join(f'{classes[k]} {n}' for k, n in sorted(survey.labels.items())[:MAX_ROWS]))
    if survey.kind == 'shape':
        return Section('Sequences', lines)
    header = ('sequence', 'frames', 'seconds', 'Hz', 'metres', 'speed', 'fastest', 'turn', 'jumps', 'gaps')
    rows: list[Sequence[object]] = []
    for sequence in survey.sequences[:MAX_ROWS]:
        moving = sequence.has_poses and len(sequence.speeds)
        rows.append(
            (
                sequence.sequence_id,
                sequence.num_frames,
                _number(sequence.seconds),
                _number(sequence.rate),
                _number(sequence.metres),
                f'{np.median(sequence.speeds):.3g} m/{sequence.per}' if moving else '-',
                f'{sequence.speeds.max():.3g} m/{sequence.per}' if moving else '-',
                f'{sequence.turns.max():.3g} deg/{sequence.per}' if moving else '-',
                len(sequence.jumps),
                len(sequence.time_gaps),
            )
        )
    if len(survey.sequences) > MAX_ROWS:
        lines.append(f'the table has the first {MAX_ROWS} sequences')
    return Section('Sequences', lines, header, rows)


def _number(value: float | None) -> str:
    """Write a number, or a dash."""
    return '-' if value is None else f'{value:.4g}'


def _frame_section(survey: Survey) -> Section:
    """The frames that were looked at."""
    frames = survey.frames
    points = [frame.num_points for frame in frames]
    records = sum(frame.num_records for frame in frames)
    lines = [
        f'{len(frames):,} looked at, {len(survey.bad):,} that cannot be used',
        f'points per frame: {min(points):,} to {max(points):,}, median {np.median(points):,.0f}',
    ]
    if survey.kind != 'shape':
        nothing = 'without depth' if survey.kind == 'depth' else 'at (0, 0, 0)'
        lines.append(
            f'{sum(frame.num_broken for frame in frames) / records:.2%} of the records are NaN or Inf, '
            f'{sum(frame.num_empty for frame in frames) / records:.2%} are {nothing}'
        )
        low, high = np.median([frame.elevation for frame in frames], axis=0)
        lines.append(
            f'field of view: {np.median([frame.azimuth for frame in frames]):.0f} degrees of azimuth, elevation '
            f'{low:.1f} to {high:.1f} degrees'
        )
        grounds = [frame.ground for frame in frames if frame.ground is not None]
        if grounds:
            lines.append(
                f'the sensor is {np.median([g.height for g in grounds]):.2f} m above the ground, which is at z = '
                f'{ground_z(frames):.2f} m and tilted by {np.median([g.tilt for g in grounds]):.1f} degrees (found in '
                f'{len(grounds)} of {len(frames)} frames)'
            )
    if survey.point_cloud_range is not None:
        inside = [frame.in_range or 0.0 for frame in frames]
        cut = [frame.cut_by_z or 0.0 for frame in frames]
        lines.append(
            f'{np.mean(inside):.0%} of the points lie within the range {list(survey.point_cloud_range)} '
            f'({min(inside):.0%} to {max(inside):.0%}); its z cuts off {np.mean(cut):.1%} of '
            'the points within its x and y'
        )
    return Section('Frames', lines)


def _value_section(survey: Survey) -> Section:
    """The values of the points."""
    names = survey.frames[0].columns
    quantiles = np.stack([frame.quantiles for frame in survey.alike])
    whole = np.all([frame.whole for frame in survey.alike], axis=0)
    rows: list[Sequence[object]] = []
    for n, name in enumerate(names):
        least, low, middle, high, largest = quantiles[:, n].T
        values = least.min(), np.median(low), np.median(middle), np.median(high), largest.max()
        rows.append((name, *(f'{value:.4g}' for value in values), 'yes' if whole[n] else 'no'))
    shares = [f'{share:.0%}' for share in QUANTILES[1:4]]
    return Section('Values', [], ('column', 'least', *shares, 'largest', 'whole numbers'), rows)


def _overlap_section(survey: Survey) -> Section:
    """How pairs of frames meet."""
    what = ', the ground left out' if survey.kind == 'lidar' else ''
    lines = [
        f'Share of the points of a frame that have a point of a later frame within {NEAR[survey.kind]:g} m{what}; the '
        'later frame is the first one from which the sensor has moved'
    ]
    readings = list(survey.overlaps[0].aligned)
    shares = [[overlap.unaligned, *(overlap.aligned[name] for name in readings)] for overlap in survey.overlaps]
    means = np.mean(shares, axis=0)
    rows: list[Sequence[object]] = [
        (f'poses {name}' if n else name, f'{mean:.0%}', f'{min(each):.0%}', f'{max(each):.0%}')
        for n, (name, mean, each) in enumerate(
            zip(['without poses', *readings], means, zip(*shares, strict=True), strict=True)
        )
    ]
    return Section('Overlap of pairs', lines, ('aligned by', 'mean', 'least', 'largest'), rows)
