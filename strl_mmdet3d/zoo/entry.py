"""The record of an encoder in the zoo: where it comes from, how to make it again, and what it gained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class DetectorGain:
    """What an encoder gained over training from scratch, measured by ``tools/evaluate_pretraining.py``.

    Attributes:
        downstream: The downstream config's name.
        arm: What was done with the encoder, such as ``finetuned``.
        num_frames: Labelled frames.
        iterations: Training steps of both arms.
        metric: The metric's name.
        seeds: Paired seeds.
        baseline: The mean over the seeds from scratch.
        mean: The mean over the seeds with the encoder.
        difference: The mean paired difference.
        low, high: Its confidence interval.
        confidence: The share of such intervals that hold the true difference, in (0, 1).
    """

    downstream: str
    arm: str
    num_frames: int
    iterations: int
    metric: str
    seeds: Sequence[int]
    baseline: float
    mean: float
    difference: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Entry:
    """An encoder of the zoo.

    Attributes:
        name: Its name in ``strl://NAME``.
        file: The file's name in the folder of the zoo.
        sha256: Of the file, hexadecimal.
        size: Of the file, bytes.
        detector: The detector whose trunk it is.
        config: The pre-training config, relative to the repository.
        data: What it was pre-trained on, in words.
        commands: The commands that made it, in order.
        made: The date, and the versions of the package and of torch.
        gains: What it gained; none if nothing was measured.
    """

    name: str
    file: str
    sha256: str
    size: int
    detector: str
    config: str
    data: str
    commands: Sequence[str]
    made: str
    gains: Sequence[DetectorGain] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Entry:
        """Make an entry from plain values, as :meth:`plain` gives them.

        Raises:
            TypeError: If a key is missing or unknown.
        """
        return cls(**{**values, 'gains': [DetectorGain(**gain) for gain in values.get('gains', ())]})

    def plain(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)
