"""The scope in which mmengine builds what a base of this package brings."""

from __future__ import annotations

import logging

import mmdet3d.registry
import mmengine.logging
import pytest
from mmengine.registry import HOOKS, MODELS, TRANSFORMS, Registry

from strl_mmdet3d.models import ProjectionMLP
from strl_mmdet3d.registry import REGISTRIES


def test_each_registry_of_mmdet3d_has_one_child_that_is_empty():
    theirs = {name: value for name, value in vars(mmdet3d.registry).items() if isinstance(value, Registry)}
    assert REGISTRIES.keys() == {name for name, registry in theirs.items() if registry.scope == 'mmdet3d'}
    for name, child in REGISTRIES.items():
        assert (child.parent, child.scope, len(child)) == (theirs[name], 'strl_mmdet3d', 0)


@pytest.mark.parametrize(
    ('registry', 'config'),
    [
        (MODELS, dict(type='ProjectionMLP', in_channels=4)),  # ours
        (MODELS, dict(type='SECOND', in_channels=8, layer_nums=[1], layer_strides=[2], out_channels=[8])),  # mmdet3d's
        (HOOKS, dict(type='IterTimerHook')),  # mmengine's
        (TRANSFORMS, dict(type='PointShuffle')),
    ],
    ids=lambda value: value['type'] if isinstance(value, dict) else '',
)
def test_a_setting_with_our_scope_is_built_as_without_and_in_silence(registry, config, monkeypatch):
    said = []

    def listen(message, *_, level=logging.INFO, **__):
        said.extend([message] if level >= logging.WARNING else [])

    monkeypatch.setattr(mmengine.logging, 'print_log', listen)
    built = registry.build(dict(config, _scope_='strl_mmdet3d'))
    assert type(built) is type(registry.build(dict(config, _scope_='mmdet3d')))
    assert not said


def test_what_is_built_inside_of_it_is_found_too():
    """The detector of mmdet3d's in an encoder of ours, say: the scope holds for all that is built meanwhile."""
    with MODELS.switch_scope_and_registry('strl_mmdet3d'):
        assert isinstance(MODELS.build(dict(type='ProjectionMLP', in_channels=4)), ProjectionMLP)
