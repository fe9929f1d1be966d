"""The statistics of paired seeds: mean and deviation of each arm, and paired differences with their interval."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from scipy.stats import t as student_t

CONFIDENCE = 0.95
FEWEST_SEEDS = 3

SeedValues = Mapping[int, float]
"""Seed -> the number that a run with it gave."""


@dataclass(frozen=True)
class Interval:
    """The mean of numbers from several seeds, with the confidence interval by Student's t.

    Attributes:
        seeds: The seeds, ascending.
        mean: The mean.
        deviation: The standard deviation of a sample (over n - 1); None for one seed.
        low: The lower end of the interval; None for one seed.
        high: The upper end.
    """

    seeds: tuple[int, ...]
    mean: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """What the interval of a difference says, in words."""
        if len(self.seeds) < FEWEST_SEEDS or self.low is None or self.high is None:
            return 'too few seeds'
        if self.low <= 0 <= self.high:
            return 'no difference found'
        return 'better' if self.mean > 0 else 'worse'


@dataclass(frozen=True)
class Difference:
    """The paired differences of an arm to another, on one label subset.

    Attributes:
        arm: The arm.
        baseline: The arm that is subtracted.
        frames: The number of labelled frames.
        interval: The mean of the differences seed by seed.
    """

    arm: str
    baseline: str
    frames: int
    interval: Interval


def interval_of(values: SeedValues) -> Interval | None:
    """Compute mean, deviation and interval; None without any value."""
    if not values:
        return None
    seeds = tuple(sorted(values))
    numbers = [values[seed] for seed in seeds]
    mean = statistics.fmean(numbers)
    if len(numbers) == 1:
        return Interval(seeds, mean)
    deviation = statistics.stdev(numbers)
    half = float(student_t.ppf((1 + CONFIDENCE) / 2, len(numbers) - 1)) * deviation / sqrt(len(numbers))
    return Interval(seeds, mean, deviation, mean - half, mean + half)


def paired_differences(values: SeedValues, baseline: SeedValues) -> SeedValues:
    """Subtract the baseline seed by seed, where both have the seed."""
    return {seed: values[seed] - baseline[seed] for seed in values.keys() & baseline.keys()}


def paired_interval(values: SeedValues, baseline: SeedValues) -> Interval | None:
    """Compute the interval of the paired differences; None without a common seed."""
    return interval_of(paired_differences(values, baseline))


def differences_to(
    values: Mapping[str, Mapping[int, SeedValues]], pairs: Sequence[tuple[str, str]]
) -> list[Difference]:
    """Compare arms on each label subset.

    Args:
        values: Arm -> number of frames -> seed -> number.
        pairs: Arms, each with the one to subtract.

    Returns:
        A difference for each pair and each number of frames that both have a common seed of.
    """
    found = []
    for arm, baseline in pairs:
        for frames in sorted(values.get(arm, {}).keys() & values.get(baseline, {}).keys()):
            interval = paired_interval(values[arm][frames], values[baseline][frames])
            if interval is not None:
                found.append(Difference(arm, baseline, frames, interval))
    return found


def seeds_text(seeds: Sequence[int]) -> str:
    """Write seeds as ranges, such as '0-4, 7'."""
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and parts[-1][-1] == seed - 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ', '.join(f'{part[0]}-{part[-1]}' if len(part) > 1 else str(part[0]) for part in parts)
