"""Takes the numbers out of what the tools give and write."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .results import Numbers
from .step import Step

PROBES = ('unscaled', 'standardised', 'knn')
"""Columns of ``tools/linear_probe.py``."""


def numbers_of(step: Step, returned: Any) -> Numbers:
    """Return what a step has measured.

    Args:
        step: The step, which has run.
        returned: What the tool returned: the metrics of ``tools/test.py``; not read otherwise.

    Returns:
        Seed -> name -> number; empty for a step that measures nothing.

    Raises:
        ConfigError: If the tool has left no result.
    """
    if not step.measures:
        return {}
    if step.tool == 'linear_probe':
        return of_probe(Path(option(step, '--out')), step.measures, step.seed)
    if step.tool == 'evaluate_pretraining':
        return of_detectors(Path(option(step, '--out')), step.measures, int(option(step, '--seeds')))
    return {step.seed: finite(returned)}


def option(step: Step, name: str) -> str:
    """Return the value of an option of a step."""
    return step.arguments[step.arguments.index(name) + 1]


def of_probe(path: Path, encoder: str, first_seed: int) -> Numbers:
    """Read the scores of an encoder on all classes: of one pre-training, or of random weights of several seeds."""
    (row,) = [row for row in json.loads(path.read_text(encoding='utf-8'))['parts'][0]['rows'] if row['name'] == encoder]
    return {first_seed + place: {name: row[name][place] for name in PROBES} for place in range(len(row[PROBES[0]]))}


def of_detectors(out: Path, arm: str, seeds: int) -> Numbers:
    """Read the tests of the detectors of one arm, for each seed."""
    numbers = {}
    for seed in range(seeds):
        found = list((out / 'results' / f'seed_{seed}').glob(f'*/{arm}.json'))
        if len(found) != 1:
            raise ConfigError(f'{out} has no result of seed {seed}: run the table again, which goes on')
        numbers[seed] = json.loads(found[0].read_text(encoding='utf-8'))['metrics']
    return numbers


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics with None where a number is not finite, which JSON does not have."""
    return {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}
