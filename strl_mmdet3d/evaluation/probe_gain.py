"""What an encoder gains over a baseline on the same test samples, with its interval. Needs the extra 'probe'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

CONFIDENCE = 0.95
DRAWS = 9999
DRAWS_AT_ONCE = 200  # of M numbers each; all at once are 2 GB for 10,000 samples


@dataclass
class Gain:
    """A difference in points, per cent of the test samples, and its 95 % interval.

    Attributes:
        mean: The difference.
        low: The lower end of the interval.
        high: The upper end.
    """

    mean: float
    low: float
    high: float


def paired_gain(correct: Sequence[np.ndarray], baseline: Sequence[np.ndarray]) -> Gain:
    """Compare two encoders sample by sample, by the bootstrap over the test samples.

    The interval tells what other test samples of this kind would change. It does not tell what another pre-training
    would: for that, compare the gains of several.

    Args:
        correct: For each run of the encoder, boolean (M,): which test samples are classified correctly. Runs, such as
            seeds or pre-trainings, are averaged.
        baseline: The same for the baseline, in the same order of samples.

    Returns:
        The gain; its interval is that of the percentiles of 9999 draws with a fixed seed.
    """
    difference = 100 * (np.mean(correct, axis=0) - np.mean(baseline, axis=0))  # (M,)
    mean = float(difference.mean())
    if np.ptp(difference) == 0:  # nothing to draw from
        return Gain(mean, mean, mean)
    interval = bootstrap(
        (difference,),
        np.mean,
        n_resamples=DRAWS,
        batch=DRAWS_AT_ONCE,
        confidence_level=CONFIDENCE,
        method='percentile',
        random_state=0,
    ).confidence_interval
    return Gain(mean, float(interval.low), float(interval.high))
