"""A part of a config with what it leaves to its class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from mmengine.registry import Registry


def with_defaults(config: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """Return a config with the defaults of its class for what it leaves out, and the class's name as its type."""
    if 'type' not in config:
        return dict(config)
    kind = config['type']
    kind = registry.get(kind) if isinstance(kind, str) else kind
    if not isinstance(kind, type):
        return dict(config)
    defaults: dict[str, Any] = {}
    for base in reversed(kind.__mro__[:-1]):  # a class may hand over what it does not name to its base
        if '__init__' not in vars(base):
            continue
        # Of torch's layers only eps: the detector sets the other arguments, and they depend on torch's version.
        only_eps = base.__module__.startswith('torch.')
        for parameter in inspect.signature(vars(base)['__init__']).parameters.values():
            if parameter.default is not parameter.empty and (parameter.name == 'eps' or not only_eps):
                defaults[parameter.name] = parameter.default
    # All BatchNorms compute the same in use: over one process or several, of one dimension or more.
    name = 'BatchNorm' if 'BatchNorm' in kind.__name__ else kind.__name__
    return defaults | dict(config) | dict(type=name)


def name_of(kind: Any) -> str:
    """Return the name of a type as it stands in a config, without its scope."""
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')
