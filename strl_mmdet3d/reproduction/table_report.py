"""Writes the paper's tables side by side with what was measured, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ..evaluation.detection.comparison import CONFIDENCE, Interval, interval_of, paired_interval
from ..evaluation.detection.comparison_table import difference_text, escaped, mean_text, table
from .results import Results
from .step import Settings
from .steps import evaluation_steps
from .tables import Column, Detection, PaperNumber, Row, Table

NOT_RUN = 'not run'
NO_NUMBER = 'the test gave no number'
UNKNOWN = 'not known here'
NOT_IN_THE_PAPER = 'ours'

Measured = Mapping[str, Mapping[str, Interval | str]]
"""Row -> heading of a column -> mean and deviation, or the words for why there is none."""


def measured(of: Table, results: Results, settings: Settings) -> dict[str, dict[str, Interval | str]]:
    """Collect the means and deviations of a table."""
    values: dict[str, dict[str, Interval | str]] = {}
    for row in of.rows:
        absent = NO_NUMBER if results.state(row, settings) == 'run' else NOT_RUN
        of_row = {column.heading: interval_of(results.values(row, column, settings)) for column in of.columns}
        values[row.name] = {heading: interval or absent for heading, interval in of_row.items()}
    return values


def paper_number(row: Row, place: int) -> PaperNumber:
    """Return what the paper reports in a column of a row."""
    return row.paper[place] if row.paper else None


def paper_text(row: Row, place: int, digits: int) -> str:
    """Write what the paper reports in a column of a row."""
    number = paper_number(row, place)
    if number is None:
        return NOT_IN_THE_PAPER if '(ours)' in row.name else UNKNOWN
    low, high = number if isinstance(number, tuple) else (number, number)
    return f'{low:.{digits}f} to {high:.{digits}f}' if low < high else f'{low:.{digits}f}'


def as_markdown(
    tables: Iterable[Table], results: Results, settings: Settings, pictures: Mapping[str, list[Path]]
) -> str:
    """Write the page.

    Args:
        tables: The tables.
        results: What was measured.
        settings: How it was measured.
        pictures: Name of a table -> its pictures, relative to the page.

    Returns:
        The page.
    """
    lines = ["# The paper's tables, and what was measured here", '', *warnings(settings), '']
    for each in tables:
        lines += [f'## {each.heading}', '']
        lines += table(headings(each.columns), rows_of(each, measured(each, results, settings)))
        lines += ['', *([each.note, ''] if each.note else []), *paired_differences(each, results, settings)]
        for picture in pictures.get(each.name, []):
            lines += [f'![{each.heading}]({picture.as_posix()})', '']
    return '\n'.join(lines)


def warnings(settings: Settings) -> list[str]:
    """Say what the numbers are of, and how far they may be read."""
    lines = []
    if settings.tiny:
        lines += ['**Tiny runs of a step or two: they show that everything runs. The numbers say nothing.**', '']
    elif settings.data == 'simulated':
        lines += ["**Simulated data: compare rows with each other, not with the paper's numbers.**", '']
    lines.append(
        f'Data: {settings.data}; size: {settings.size}. Mean and standard deviation over the seeds. A seed is a '
        'pre-training and what follows from it.'
    )
    return lines


def headings(columns: Iterable[Column]) -> list[str]:
    """Return the head of a table: for each column the paper's number, and ours."""
    return ['', *(f'{column.heading}: {whose}' for column in columns for whose in ('the paper', 'measured'))]


def rows_of(of: Table, values: Measured) -> list[list[str]]:
    """Return the cells of a table."""
    rows = []
    for row in of.rows:
        cells = [escaped(row.name)]
        for place, column in enumerate(of.columns):
            value = values[row.name][column.heading]
            ours = value if isinstance(value, str) else mean_text(value, column.digits)
            cells += [paper_text(row, place, column.digits), ours]
        rows.append(cells)
    return rows


def paired_differences(of: Table, results: Results, settings: Settings) -> list[str]:
    """Compare the detectors of a table with its first row, seed by seed; nothing for other tables, or without a run."""
    first, *others = of.rows
    if not all(isinstance(row.evaluation, Detection) for row in of.rows):
        return []
    rows = []
    for row in others:
        cells = []
        for column in of.columns:
            ours, baseline = (results.values(each, column, settings) for each in (row, first))
            cells.append(difference_text(paired_interval(ours, baseline), column.digits) or NOT_RUN)
        rows.append([escaped(row.name), *cells])
    if all(cell == NOT_RUN for _, *cells in rows for cell in cells):
        return []
    about = f'Differences to "{first.name}", seed by seed, with their {CONFIDENCE:.0%} interval:'
    return [about, '', *table(['', *(column.heading for column in of.columns)], rows), '']


def pictures_of_features(of: Table, settings: Settings) -> list[Path]:
    """List the pictures that the steps of a table have drawn."""
    drawn = []
    for row in of.rows:
        if isinstance(row.evaluation, Detection):
            continue
        for step in evaluation_steps(row, settings):
            if '--tsne' in step.arguments:
                drawn.append(Path(step.arguments[step.arguments.index('--tsne') + 1]))
    return [path for path in drawn if path.is_file()]
