"""What finished steps leave: one file each, so that a killed run goes on, and a report is made of what there is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..atomic_write import write_text_whole
from ..errors import ConfigError
from .data import EVALUATION_DATA, PRETRAINING_DATA
from .step import Settings, Step
from .steps import evaluation_steps, place_of
from .tables import Column, Row

FOLDER = 'results'

VARIABLES = sorted({data.variable for known in (PRETRAINING_DATA, EVALUATION_DATA) for data in known.values()})
"""The variables that lead to real data."""

OF_ALL_SEEDS, OF_ONE_SEED = re.compile(r'(\d+)_seeds\.json'), re.compile(r'seed_(\d+)(?:_test)?\.json')

Numbers = dict[int, dict[str, float | None]]
"""Seed -> name of a number -> the number, None where the test gave none."""


@dataclass(frozen=True)
class StepResult:
    """What a finished step left.

    Attributes:
        tool: Its tool.
        arguments: Its arguments, with WORK_DIR for the work directory.
        numbers: What it measured.
        seconds: How long it took.
    """

    tool: str
    arguments: list[str]
    numbers: Numbers
    seconds: float


class Results:
    """The results in a work directory."""

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir

    def path(self, step: Step) -> Path:
        """Return the file of a step's result."""
        return self.work_dir / FOLDER / f'{step.name}.json'

    def described(self, step: Step) -> list[str]:
        """Return the arguments of a step without the places of the work directory and of real data, which may move."""
        return [self._described(argument) for argument in step.arguments]

    def _described(self, argument: str) -> str:
        """Return an argument, a path or KEY=PATH, in which WORK_DIR or $VARIABLE stands for the place."""
        key, equals, path = argument.partition('=')
        places = {'WORK_DIR': self.work_dir}
        places |= {f'${name}': Path(os.environ[name]) for name in VARIABLES if os.environ.get(name)}
        for begin, rest in (('', argument), (f'{key}{equals}', path)):
            for name, place in places.items():
                for written in (place.absolute(), place):
                    if rest.startswith(f'{written}/'):
                        return f'{begin}{name}{rest[len(str(written)) :]}'
        return argument

    def read(self, step: Step) -> StepResult | None:
        """Read the result of a step; None if it has not been run.

        Raises:
            ConfigError: If the file is damaged, or is the result of another command.
        """
        path = self.path(step)
        if not path.is_file():
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
            numbers = {int(seed): dict(of_seed) for seed, of_seed in content.pop('numbers').items()}
            result = StepResult(numbers=numbers, **content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f'{path} is damaged ({error}): remove it, and the step is run again') from error
        if step.tool == result.tool and result.arguments != self.described(step):
            changed = set(result.arguments) ^ set(self.described(step))
            raise ConfigError(
                f'{path} is the result of another command: {", ".join(sorted(changed))} differ. Name another folder by '
                '--work-dir, or remove the folder to run everything again'
            )
        return result

    def write(self, step: Step, numbers: Numbers, seconds: float) -> None:
        """Write the result of a step whole."""
        result = StepResult(step.tool, self.described(step), numbers, round(seconds, 1))
        write_text_whole(self.path(step), json.dumps(asdict(result), indent=1) + '\n')

    def finished(self, steps: Iterable[Step]) -> list[Step]:
        """List the steps that have a result."""
        return [step for step in steps if self.read(step) is not None]

    def values(self, row: Row, column: Column, settings: Settings) -> dict[int, float]:
        """Return the numbers of a row.

        Returns:
            Seed -> number in the unit of the column; empty if the row has not been run.
        """
        found = {}
        for step in self._measuring(row, settings):
            result = self.read(step)
            for seed, numbers in (result.numbers if result else {}).items():
                if seed >= settings.seeds:
                    continue
                number = number_named(column.metric, numbers)
                if number is None and settings.data == 'simulated' and column.simulated:
                    number = number_named(column.simulated, numbers)
                if number is not None:
                    found[seed] = column.factor * number
        return found

    def state(self, row: Row, settings: Settings) -> str:
        """Say with how many of the seeds a row has been run."""
        results = [self.read(step) for step in self._measuring(row, settings)]
        finished = {seed for result in results if result for seed in result.numbers if seed < settings.seeds}
        if len(finished) == settings.seeds:
            return 'run'
        return f'{len(finished)} of {settings.seeds} seeds run' if finished else 'not run'

    def _measuring(self, row: Row, settings: Settings) -> list[Step]:
        """List the steps whose results may hold numbers of a row. One of all seeds may have been run with others."""
        runs = (replace(settings, seeds=seeds) for seeds in {*self.numbers_of_seeds(place_of(row)), settings.seeds})
        steps = {step.name: step for run in runs for step in evaluation_steps(row, run) if step.measures}
        return [steps[name] for name in sorted(steps)]

    def numbers_of_seeds(self, place: str = '') -> list[int]:
        """Return the numbers of seeds with which steps below a folder of results have been run, ascending."""
        files = (self.work_dir / FOLDER / place).rglob('*.json')
        found = {int(match[1]) for file in files if (match := OF_ALL_SEEDS.match(file.name))}
        found |= {int(match[1]) + 1 for file in files if (match := OF_ONE_SEED.match(file.name))}
        return sorted(found)


def number_named(name: str, numbers: Mapping[str, float | None]) -> float | None:
    """Find a number by its name, or by the last part of it: KITTI's begin with 'Kitti metric/pred_instances_3d/'."""
    found = [number for key, number in numbers.items() if key == name or key.endswith(f'/{name}')]
    return found[0] if len(found) == 1 else None
