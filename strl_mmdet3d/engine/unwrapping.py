"""The model of a run, and the names of its weights, without the distributed wrapper."""

from __future__ import annotations

from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner


def unwrapped_model(runner: Runner) -> Any:
    """Return the model that the config describes; on several ranks the Runner wraps it."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def unwrapped_names(state_dict: dict[str, Any]) -> dict[str, Any]:
    """Return weights without the ``module.`` that a distributed wrapper puts before their names, as mmengine does."""
    if not any(name.startswith('module.') for name in state_dict):
        return state_dict  # with the versions of its layers
    return {name.removeprefix('module.'): value for name, value in state_dict.items()}
