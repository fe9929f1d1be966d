"""The listed functions are replaced, and only CPU tensors take the replacement."""

import importlib
import sys
import types

import mmcv._ext
import mmcv.ops
import mmdet3d.structures.bbox_3d.base_box3d as base_box3d
import pytest
import spconv.pytorch.ops
import torch
from mmdet.models.losses import FocalLoss

from strl_mmdet3d import ops
from strl_mmdet3d.ops import dispatch


def mark(value):
    return lambda *args, **kwargs: (value, args, kwargs)


@pytest.mark.parametrize(('device', 'expected'), [('cpu', 'cpu'), ('meta', 'original')])
def test_decided_by_the_first_tensor(device, expected):
    function = dispatch.by_device(mark('cpu'), mark('original'))
    tensor = torch.empty(1, device=device)
    assert function(3, tensor, k=1) == (expected, (3, tensor), {'k': 1})
    assert function(3, points=tensor) == (expected, (3,), {'points': tensor})


@pytest.mark.parametrize('name', sorted(dispatch.COMPILED_FUNCTIONS))
def test_compiled_original_is_kept_and_wrapped_once(name):
    original = getattr(mmcv._ext, name).__wrapped__
    assert isinstance(original, types.BuiltinFunctionType)


def test_registering_again_changes_nothing():
    before = {name: getattr(mmcv._ext, name) for name in dispatch.COMPILED_FUNCTIONS}
    ops.register()
    importlib.import_module('strl_mmdet3d.ops')
    assert before == {name: getattr(mmcv._ext, name) for name in dispatch.COMPILED_FUNCTIONS}


def test_names_imported_elsewhere_are_rebound(monkeypatch):
    module = types.ModuleType('imported_before')
    module.f, module.g = original, other = mark('original'), mark('other')
    monkeypatch.setitem(sys.modules, 'imported_before', module)
    replacement = mark('replacement')
    monkeypatch.setitem(sys.modules, 'hidden', None)  # as one hides a package from imports
    dispatch._rebind('f', original, replacement)
    dispatch._rebind('g', original, replacement)
    assert module.f is replacement
    assert module.g is other


@pytest.mark.parametrize('name', sorted(dispatch.PYTHON_FUNCTIONS))
def test_mmdet3d_holds_the_replacement(name):
    assert hasattr(getattr(mmcv.ops, name), '__wrapped__')
    assert getattr(base_box3d, name) is getattr(mmcv.ops, name)


@pytest.mark.parametrize('function', list(dispatch.FORWARD_METHODS))
def test_forward_methods_are_replaced(function):
    assert hasattr(function.forward, '__wrapped__')


@pytest.mark.parametrize('name', ['indice_conv', 'indice_conv_backward', 'indice_maxpool', 'indice_maxpool_backward'])
def test_spconv_holds_the_replacement(name):
    assert getattr(spconv.pytorch.ops, name).__wrapped__.__module__ == 'spconv.pytorch.ops'


def test_mmdet_focal_loss_is_replaced():
    assert FocalLoss.forward.__wrapped__.__module__ == 'mmdet.models.losses.focal_loss'
