"""The model of a run, with one rank or with several."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


def unwrapped_model(runner: Runner) -> Any:
    """Give the model that the config describes, without the wrapper that it trains under on several ranks."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
