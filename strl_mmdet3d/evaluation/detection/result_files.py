"""The results of a comparison: one file for each run, so that it can be interrupted, continued and shared."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ...atomic_write import write_text_whole
from ...errors import ConfigError
from .arms import Arm
from .label_subsets import FrameId
from .metrics import Numbers

SETTINGS = 'settings.json'
FOLDER = 'results'
SHOWN = 8
"""Differing settings that a message names."""


@dataclass(frozen=True)
class RunKey:
    """Which run: an arm, a label subset, a seed.

    Attributes:
        seed: Draws the label subset, the initial weights and the order of the data.
        num_frames: The number of labelled frames.
        arm: The arm.
    """

    seed: int
    num_frames: int
    arm: Arm

    @property
    def file(self) -> Path:
        """The name of its result in the output folder."""
        return Path(FOLDER, f'seed_{self.seed}', f'{self.num_frames}_frames', f'{self.arm.name}.json')


@dataclass(frozen=True)
class RunResult:
    """What a run gave.

    Attributes:
        settings: The hash of the settings that all runs share.
        arm: The name of its arm.
        checkpoint: The checksum of the arm's checkpoint, if any.
        seed: Its seed.
        frames: The ids of the labelled frames.
        not_sampled: Classes that GT sampling left out, because these frames have no usable object of them.
        metrics: All numbers of the test.
        seconds: How long the run took.
        software: Versions and device, for the record; they may differ between runs.
        frozen: The parts of the detector that stayed as they were; None in results of an earlier version.
    """

    settings: str
    arm: str
    checkpoint: str | None
    seed: int
    frames: list[FrameId]
    not_sampled: list[str]
    metrics: Numbers
    seconds: float
    software: dict[str, str]
    frozen: list[str] | None = None


def fingerprint(record: dict[str, str]) -> str:
    """Return the SHA-256 of settings."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


class ResultFiles:
    """The results in an output folder.

    Args:
        out: The folder.
        record: The settings that all of its runs share: dotted key -> value.

    Raises:
        ConfigError: If the folder holds results of other settings; names those that differ.
    """

    def __init__(self, out: Path, record: dict[str, str]) -> None:
        self.out, self.settings = out, fingerprint(record)
        path = out / SETTINGS
        if path.is_file():
            before = read_json(path)
            different = [
                f'{name} is {record.get(name, "not set")} and was {before.get(name, "not set")}'
                for name in sorted(record.keys() | before.keys())
                if record.get(name) != before.get(name)
            ]
            if different:
                more = f'; and {len(different) - SHOWN} more' if len(different) > SHOWN else ''
                raise ConfigError(
                    f'{out} holds results of other settings: {"; ".join(different[:SHOWN])}{more}. Results of both '
                    'cannot be compared: name another folder by --out, or restore the settings'
                )
        else:
            write_text_whole(path, json.dumps(record, indent=1, sort_keys=True) + '\n')

    def read(self, key: RunKey) -> RunResult | None:
        """Read the result of a run; None if there is none yet.

        Raises:
            ConfigError: If the file is not a result, or one of other settings or of another checkpoint.
        """
        path = self.out / key.file
        if not path.is_file():
            return None
        content = read_json(path)
        needed = {field.name for field in fields(RunResult)} - {'frozen'}
        if set(content) - {'frozen'} != needed or not isinstance(content['metrics'], dict):
            raise ConfigError(f'{path} is not a result of this tool: remove it, and the run is made again')
        result = RunResult(**content)
        what = ''
        if result.settings != self.settings:
            what = 'other settings'
        elif result.checkpoint != key.arm.sha256:
            what = 'another checkpoint of the same name'
        elif result.checkpoint is None and key.arm.frozen and result.frozen != [*key.arm.frozen]:
            what = f'a run in which other parts were frozen, {", ".join(result.frozen or ["which is not known"])}'
        if what:
            raise ConfigError(
                f'{path} comes from {what}: name another folder by --out, or another name by --checkpoint'
            )
        return result

    def write(self, key: RunKey, result: RunResult) -> None:
        """Write the result of a run whole."""
        write_text_whole(self.out / key.file, json.dumps(asdict(result), indent=1) + '\n')


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ConfigError: If the file is not one.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ConfigError(f'{path} is damaged ({error}): remove it') from error
    if not isinstance(content, dict):
        raise ConfigError(f'{path} is damaged (not a JSON object): remove it')
    return content
