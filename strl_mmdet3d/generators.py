"""Seeds and restores the global random generators of Python, NumPy and torch together."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_generators(seed: np.random.SeedSequence, gpus: bool) -> None:
    """Seed the global generators of Python, NumPy and torch.

    Args:
        seed: The seed. Each generator gets a different word of its state.
        gpus: Whether to seed torch's generators of the GPUs too.
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
    """Restore the global generators when the context closes; with `gpus`, the one of this rank's GPU too, if any."""
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
    """Seed the generators of the CPU, and restore their states when the context closes.

    The generators of GPUs, which the model draws from, stay as they are.
    """
    with generators_kept(gpus=False):
        seed_generators(seed, gpus=False)
        yield
