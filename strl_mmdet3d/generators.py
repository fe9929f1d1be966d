"""The global random generators of python, NumPy and torch: seeded together, and put back together."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_generators(seed: np.random.SeedSequence, gpus: bool) -> None:
    """Seed the global generators of python, NumPy and torch.

    Args:
        seed: What they are seeded with, each with a word of its own.
        gpus: Whether torch's generators of the GPUs are seeded too.
    """
    python_seed, numpy_seed, torch_seed = (int(word) for word in seed.generate_state(3))
    random.seed(python_seed)
    np.random.seed(numpy_seed)
    if gpus:
        torch.manual_seed(torch_seed)
    else:
        torch.default_generator.manual_seed(torch_seed)


@contextmanager
def generators_kept(gpus: bool) -> Iterator[None]:
    """Put the states of the global generators back afterwards.

    Args:
        gpus: Whether that of this rank's GPU, if there is one, is put back too.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if gpus and torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


@contextmanager
def seeded(seed: np.random.SeedSequence) -> Iterator[None]:
    """Seed the generators of the CPU, and put their states back afterwards.

    Those of GPUs, where the model draws, stay as they are.

    Args:
        seed: What they are seeded with.
    """
    with generators_kept(gpus=False):
        seed_generators(seed, gpus=False)
        yield
