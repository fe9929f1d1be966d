"""Every replaced function gives on a CPU what the CUDA kernels give, index for index."""

from __future__ import annotations

import importlib

import mmcv._ext
import mmcv.ops
import numpy as np
import pytest
import spconv.pytorch.ops
import torch
from device_ops import CASES, ROUNDING, TOLERANCES, assert_same, results
from spconv.cppconstants import CPU_ONLY_BUILD

from strl_mmdet3d.ops import dispatch, rotate_iou

SEEDS = range(4)


def counted(monkeypatch, holder, name, calls):
    kept = getattr(holder, name)

    def function(*args, **kwargs):
        calls.add((holder, name))
        return kept(*args, **kwargs)

    monkeypatch.setattr(holder, name, staticmethod(function) if isinstance(holder, type) else function)


def test_the_cases_call_every_replaced_function(monkeypatch):
    spconv_names = ('indice_conv', 'indice_conv_backward', 'indice_maxpool', 'indice_maxpool_backward')
    replaced = {
        *((mmcv._ext, name) for name in dispatch.COMPILED_FUNCTIONS),
        *((function, 'forward') for function in dispatch.FORWARD_METHODS),
        *((mmcv.ops, name) for name in dispatch.PYTHON_FUNCTIONS),
        *((spconv.pytorch.ops, name) for name in spconv_names),
    }
    calls: set = set()
    for holder, name in replaced:
        counted(monkeypatch, holder, name, calls)
    for case in CASES:
        results(case, 1, 'cpu')
    assert {name for _, name in replaced - calls} == set()


@pytest.mark.parametrize('case', CASES)
def test_a_case_is_the_same_each_time_and_differs_between_scenes(case):
    found = results(case, 1, 'cpu')
    assert_same(results(case, 1, 'cpu'), found)
    with pytest.raises(AssertionError):
        assert_same(results(case, 3, 'cpu'), found)


def test_one_wrong_index_and_a_wrong_gradient_are_seen():
    found = results('grouped', 0, 'cpu')
    assert list(found) == ['output 0', 'gradient of features']
    for name in found:
        wrong = {**found, name: found[name].clone()}
        wrong[name].view(-1)[7] += 0.01
        with pytest.raises(AssertionError, match=f'{name}: Tensor-likes are not close'):
            assert_same(wrong, found)
    idx = results('nearest', 0, 'cpu')
    with pytest.raises(AssertionError, match='output 0: Tensor-likes are not equal'):
        assert_same({'output 0': idx['output 0'].flip(1)}, idx)


@pytest.mark.cuda
@pytest.mark.parametrize('seed', SEEDS)
@pytest.mark.parametrize('case', CASES)
def test_as_on_cuda(case, seed):
    if case.startswith('spconv') and CPU_ONLY_BUILD:
        pytest.skip('needs spconv built with CUDA, such as the wheel spconv-cu120')
    assert_same(results(case, seed, 'cpu'), results(case, seed, 'cuda'), TOLERANCES.get(case, ROUNDING))


@pytest.mark.cuda
@pytest.mark.parametrize('criterion', [-1, 0, 1, 2])
def test_the_overlaps_of_the_kitti_metric_are_those_of_mmdet3d(criterion):
    nvvm = pytest.importorskip('numba.cuda.cudadrv.nvvm')
    if not nvvm.is_available():
        pytest.skip("needs the CUDA toolkit's NVVM, by which numba compiles mmdet3d's kernel")
    theirs = importlib.import_module(dispatch.ROTATE_IOU_MODULE)
    assert theirs is not rotate_iou
    rng = np.random.default_rng(0)
    first, second = (
        np.column_stack([rng.uniform(-5, 5, (num, 2)), rng.uniform(0.5, 5, (num, 2)), rng.uniform(-4, 4, num)])
        for num in (40, 30)
    )
    expected = theirs.rotate_iou_gpu_eval(first, second, criterion)
    np.testing.assert_allclose(rotate_iou.rotate_iou_gpu_eval(first, second, criterion), expected, rtol=0, atol=1e-4)


@pytest.mark.cuda
def test_tensors_on_a_gpu_take_the_original(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError('the CPU kernel was called')

    original = mmcv._ext.three_nn_forward.__wrapped__
    monkeypatch.setattr(mmcv._ext, 'three_nn_forward', dispatch.by_device(fail, original))
    dist, _ = mmcv.ops.three_nn(torch.rand(1, 4, 3, device='cuda'), torch.rand(1, 9, 3, device='cuda'))
    assert dist.is_cuda
