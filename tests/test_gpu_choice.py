"""All tests but those marked `cuda` run on the CPU, on a machine with a GPU too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mmcv.ops
import pytest
import torch
from gpu_choice import ON_GPU, why_no_gpu
from mmengine.device import get_device


def test_this_test_sees_no_gpu():
    assert not ON_GPU
    assert os.environ['CUDA_VISIBLE_DEVICES'] == ''
    assert torch.cuda.device_count() == 0
    assert get_device() == 'cpu'


@pytest.mark.parametrize(
    ('on_gpu', 'seen', 'compiled', 'lacks'),
    [
        (False, True, '12.1', 'set STRL_TEST_GPU=1'),
        (True, False, '12.1', 'torch sees none'),
        (True, True, 'not available', 'mmcv built with CUDA ops'),
        (True, True, '12.1', None),
    ],
)
def test_the_reason_says_what_is_missing(monkeypatch, on_gpu, seen, compiled, lacks):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: seen)
    monkeypatch.setattr(mmcv.ops, 'get_compiling_cuda_version', lambda: compiled)
    reason = why_no_gpu(on_gpu)
    assert reason is None if lacks is None else lacks in reason


WITH_A_GPU = """
import sys, torch
torch.cuda.is_available = lambda: True
import strl_mmdet3d
from strl_mmdet3d.ops.dispatch import ROTATE_IOU_MODULE
assert ROTATE_IOU_MODULE not in sys.modules, 'mmdet3d keeps its kernel'
from mmcv.ops import box_iou_rotated, furthest_point_sample, knn, points_in_boxes_all, three_nn
xyz = torch.rand(1, 9, 3)
print(furthest_point_sample(xyz, 3).shape, knn(2, xyz).shape, three_nn(xyz, xyz)[1].shape)
boxes = torch.rand(2, 7)
print(points_in_boxes_all(xyz, boxes[None]).shape, box_iou_rotated(boxes[:, :5], boxes[:, :5]).shape)
"""


def test_where_torch_sees_a_gpu_cpu_tensors_still_take_the_kernels_of_this_package():
    """With an mmcv that has no CUDA ops, as here."""
    environment = os.environ | dict(PYTHONPATH=str(Path(__file__).parents[1]), OMP_NUM_THREADS='1')
    done = subprocess.run([sys.executable, '-c', WITH_A_GPU], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split('\n')[:2] == [
        'torch.Size([1, 3]) torch.Size([1, 2, 9]) torch.Size([1, 9, 3])',
        'torch.Size([1, 9, 2]) torch.Size([2, 2])',
    ]
