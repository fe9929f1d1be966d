"""The table of what is replaced on the CPU, and the replacing."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import mmcv._ext
import mmcv.ops
import torch
from mmcv.ops.furthest_point_sample import FurthestPointSampling
from mmcv.ops.group_points import GroupingOperation
from mmcv.ops.knn import KNN

from . import ball_query, grouping, interpolate, knn, nms_rotated, points_in_boxes, rotate_iou, sampling, scatter

# Functions of mmcv's compiled module that exist for CUDA alone. mmcv's autograd functions around them stay in use.
COMPILED_FUNCTIONS: dict[str, Callable[..., Any]] = {
    'furthest_point_sampling_forward': sampling.furthest_point_sampling_forward,
    'furthest_point_sampling_with_dist_forward': sampling.furthest_point_sampling_with_dist_forward,
    'ball_query_forward': ball_query.ball_query_forward,
    'stack_ball_query_forward': ball_query.stack_ball_query_forward,
    'gather_points_forward': grouping.gather_points_forward,
    'gather_points_backward': grouping.gather_points_backward,
    'group_points_backward': grouping.group_points_backward,
    'stack_group_points_backward': grouping.stack_group_points_backward,
    'three_nn_forward': interpolate.three_nn_forward,
    'three_interpolate_forward': interpolate.three_interpolate_forward,
    'three_interpolate_backward': interpolate.three_interpolate_backward,
    'knn_forward': knn.knn_forward,
    'dynamic_point_to_voxel_forward': scatter.dynamic_point_to_voxel_forward,
    'dynamic_point_to_voxel_backward': scatter.dynamic_point_to_voxel_backward,
    # Not for CUDA alone, but too slow on the CPU to train with.
    'nms_rotated': nms_rotated.nms_rotated,
}

# Forward methods of mmcv's autograd functions that ask for a CUDA device in Python, or do twice what is needed once.
FORWARD_METHODS: dict[type[torch.autograd.Function], Callable[..., Any]] = {
    FurthestPointSampling: sampling.furthest_point_sample,
    KNN: knn.knn,
    GroupingOperation: grouping.group,
}

# Plain functions of ``mmcv.ops`` that do the same.
PYTHON_FUNCTIONS: dict[str, Callable[..., Any]] = {
    'points_in_boxes_all': points_in_boxes.points_in_boxes_all,
    'points_in_boxes_part': points_in_boxes.points_in_boxes_part,
}

# mmdet3d imports this module when it evaluates; without CUDA the import itself fails.
ROTATE_IOU_MODULE = 'mmdet3d.evaluation.functional.kitti_utils.rotate_iou'


def by_device(on_cpu: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes CPU tensors to one implementation and all others to the original.

    Args:
        on_cpu (Callable): The implementation for CPU tensors.
        original (Callable): The untouched original; kept as ``__wrapped__`` of the result.

    Returns:
        Callable: Decides by the first tensor among its arguments.
    """

    @functools.wraps(original)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        tensor = next(value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
        return on_cpu(*args, **kwargs) if tensor.is_cpu else original(*args, **kwargs)

    return dispatch


def _rebind(name: str, original: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    """Replace a function in every loaded module that holds it, since mmdet3d imports it by name."""
    for module in list(sys.modules.values()):
        # Not getattr: some modules import others when asked for an attribute.
        if vars(module).get(name) is original:
            setattr(module, name, replacement)


@functools.cache
def register() -> None:
    """Make mmcv, mmdet3d and spconv take CPU tensors; called once, when ``strl_mmdet3d.ops`` is imported."""
    for name, on_cpu in COMPILED_FUNCTIONS.items():
        setattr(mmcv._ext, name, by_device(on_cpu, getattr(mmcv._ext, name)))
    for function, on_cpu in FORWARD_METHODS.items():
        function.forward = staticmethod(by_device(on_cpu, function.forward))  # type: ignore[method-assign]
    for name, on_cpu in PYTHON_FUNCTIONS.items():
        original = getattr(mmcv.ops, name)
        _rebind(name, original, by_device(on_cpu, original))
    if not torch.cuda.is_available():
        sys.modules.setdefault(ROTATE_IOU_MODULE, rotate_iou)
    # mmdet3d falls back on mmcv's sparse convolutions where spconv is not installed.
    if importlib.util.find_spec('spconv') is not None:
        from . import sparse_conv

        sparse_conv.register()
