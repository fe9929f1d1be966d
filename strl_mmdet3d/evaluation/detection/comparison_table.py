"""Writes a comparison as JSON and as a Markdown page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...decimal_places import decimal_places
from .comparison import CONFIDENCE, FEWEST_SEEDS, Difference, Interval, SeedValues, interval_of, seeds_text
from .label_subsets import size_text


@dataclass(frozen=True)
class Comparison:
    """A comparison, complete or on its way.

    Attributes:
        title: What is compared, such as the config's name.
        metric: The name of the number.
        iterations: The iterations of each run.
        sizes: Number of labelled frames -> the percentages that give it, ascending.
        values: Arm -> number of frames -> seed -> number.
        differences: The paired differences.
        num_missing: Runs that have no result yet.
        notes: Sentences about the data, such as classes that GT sampling leaves out.
    """

    title: str
    metric: str
    iterations: int
    sizes: Mapping[int, Sequence[float]]
    values: Mapping[str, Mapping[int, SeedValues]]
    differences: Sequence[Difference]
    num_missing: int = 0
    notes: Sequence[str] = ()

    @property
    def digits(self) -> int:
        """Decimal places: 1 for per cent, 3 for numbers up to 1."""
        numbers = [value for sizes in self.values.values() for seeds in sizes.values() for value in seeds.values()]
        return decimal_places(self.metric, numbers)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison with every number and its seeds, as plain values."""
    rows = [
        dict(arm=arm, num_frames=frames, percent=list(comparison.sizes[frames]), values=dict(sorted(values.items())))
        | asdict(interval)
        for arm, sizes in comparison.values.items()
        for frames, values in sorted(sizes.items())
        if (interval := interval_of(values)) is not None
    ]
    differences = [
        dict(arm=each.arm, baseline=each.baseline, num_frames=each.frames, percent=list(comparison.sizes[each.frames]))
        | dict(asdict(each.interval), verdict=each.interval.verdict)
        for each in comparison.differences
    ]
    head = dict(title=comparison.title, metric=comparison.metric, iterations=comparison.iterations)
    tail = dict(num_missing=comparison.num_missing, notes=list(comparison.notes))
    return dict(head, confidence=CONFIDENCE, rows=rows, differences=differences, **tail)


def as_markdown(comparison: Comparison) -> str:
    """Write the comparison as a page with two tables."""
    sizes = list(comparison.sizes)
    heads = [size_text(frames, percentages) for frames, percentages in comparison.sizes.items()]
    digits = comparison.digits
    lines = [
        f'# {escaped(comparison.title)}',
        '',
        f'`{comparison.metric}` after {comparison.iterations} iterations: mean and standard deviation over the seeds. '
        'A seed draws the labelled frames, the initial weights and the order of the data, the same for all arms.',
        '',
    ]
    if comparison.num_missing:
        runs = 'run has' if comparison.num_missing == 1 else 'runs have'
        lines += [f'**Not complete:** {comparison.num_missing} {runs} no result yet.', '']
    lines += table(
        ['arm', *heads],
        [
            [escaped(arm), *(mean_text(interval_of(of_arm.get(frames, {})), digits) for frames in sizes)]
            for arm, of_arm in comparison.values.items()
        ],
    )
    pairs = list(dict.fromkeys((each.arm, each.baseline) for each in comparison.differences))
    if pairs:
        found = {(each.arm, each.baseline, each.frames): each.interval for each in comparison.differences}
        lines += [
            '',
            '## Paired differences',
            '',
            f'Mean of the differences seed by seed, with its {CONFIDENCE:.0%} confidence interval (Student t over the '
            f'seeds). With fewer than {FEWEST_SEEDS} seeds nothing is concluded. Of many intervals, one in 20 leaves '
            'out a difference of 0 by chance.',
            '',
        ]
        lines += table(
            ['difference', *heads],
            [
                [
                    f'{escaped(arm)} \N{MINUS SIGN} {escaped(baseline)}',
                    *(difference_text(found.get((arm, baseline, frames)), digits) for frames in sizes),
                ]
                for arm, baseline in pairs
            ],
        )
    if comparison.notes:
        lines += ['', *(f'- {escaped(note)}' for note in comparison.notes)]
    return '\n'.join(lines) + '\n'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write the lines of a Markdown table."""
    return [f'| {" | ".join(cells)} |' for cells in [head, ['---'] * len(head), *rows]]


def mean_text(interval: Interval | None, digits: int) -> str:
    """Write a mean, the standard deviation and the seeds."""
    if interval is None:
        return ''
    deviation = '' if interval.deviation is None else f' \N{PLUS-MINUS SIGN} {interval.deviation:.{digits}f}'
    return f'{interval.mean:.{digits}f}{deviation} ({counted(interval)})'


def difference_text(interval: Interval | None, digits: int) -> str:
    """Write a difference, its interval, the seeds and the verdict."""
    if interval is None:
        return ''
    ends = ''
    if interval.low is not None and interval.high is not None:
        ends = f' [{interval.low:+.{digits}f}, {interval.high:+.{digits}f}]'
    verdict = interval.verdict
    verdict = f'**{verdict}**' if verdict in ('better', 'worse') else verdict
    return f'{interval.mean:+.{digits}f}{ends} ({counted(interval)}): {verdict}'


def counted(interval: Interval) -> str:
    """Write the number of seeds and the seeds."""
    return f'n = {len(interval.seeds)}, seed{"s" * (len(interval.seeds) > 1)} {seeds_text(interval.seeds)}'


def escaped(text: str) -> str:
    """Write a name so that it stays in its cell of a table."""
    return text.replace('|', '\\|').replace('\n', ' ')
