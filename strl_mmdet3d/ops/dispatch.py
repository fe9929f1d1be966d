"""Replaces functions of mmcv, mmdet3d and spconv, so that mmdetection3d's detectors train and predict on a CPU.

Importing ``strl_mmdet3d`` makes the changes below, once per process. Each replaced function looks at the first tensor
among its arguments. A CPU tensor takes the kernel of this package. A tensor on any other device takes the original
function, with unchanged arguments.

1. :data:`COMPILED_FUNCTIONS` of ``mmcv._ext``, mmcv's compiled module: furthest point sampling, ball query, gathering
   and grouping, three-neighbour interpolation, k nearest neighbours, dynamic scatter to voxels, RoI-aware and RoI-point
   pooling, PAConv's ``assign_score_withk``, sigmoid and softmax focal loss, mmcv's own sparse convolutions and max
   pooling, overlaps and non-maximum suppression of 3D boxes, the step of the differentiable rotated IoU that orders
   corners, rotated IoU and rotated non-maximum suppression. mmcv has them for CUDA only, except the last two. Its CPU
   version of ``box_iou_rotated`` is wrong for boxes with common corners or edges. So is that of ``nms_rotated``, which
   is also too slow to train with and drops a box whose IoU equals the threshold; the CUDA kernel keeps it. Their
   areas are exact but for rounding, where the CUDA kernels allow tolerances (:mod:`~strl_mmdet3d.ops.box_overlap`,
   :mod:`~strl_mmdet3d.ops.diff_iou`). Those of 3D boxes have CUDA's margin (:mod:`~strl_mmdet3d.ops.margin_overlap`).
2. The ``forward`` of three autograd functions of ``mmcv.ops`` (:data:`FORWARD_METHODS`): ``FurthestPointSampling``
   (``furthest_point_sample``), ``KNN`` (``knn``) and ``GroupingOperation`` (``grouping_operation``).
3. ``points_in_boxes_all`` and ``points_in_boxes_part`` of ``mmcv.ops`` (:data:`PYTHON_FUNCTIONS`). Every loaded module
   that has imported one of them by name, such as mmdet3d's 3D boxes, gets the replacement too.
4. ``indice_conv`` and ``indice_maxpool`` of ``spconv.pytorch.ops``, and their gradients ``indice_conv_backward`` and
   ``indice_maxpool_backward``, if spconv is installed (:mod:`~strl_mmdet3d.ops.sparse_conv`). The layers of a spconv
   built with CUDA take the algorithm that a CPU has, for CPU tensors.
5. The module ``mmdet3d.evaluation.functional.kitti_utils.rotate_iou``, which computes the overlaps of the KITTI metric
   from numpy arrays, if torch finds no GPU and the module is not loaded yet. :mod:`~strl_mmdet3d.ops.rotate_iou` then
   takes its name. With a GPU mmdet3d's own module stays.
6. ``voxelize`` of mmdet3d's ``Det3DDataPreprocessor``: MinkUNet's voxels (:mod:`~strl_mmdet3d.ops.minkunet_voxels`),
   for which mmdet3d moves index tables to CUDA wherever the points are.
7. The ``forward`` of mmdet's ``FocalLoss``: on a CPU it takes the op that it takes on a GPU, and so the label -1.

All but 5 keep the original as the ``__wrapped__`` of the replacement. What the import changes besides is
in :mod:`strl_mmdet3d.compat`.
"""

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
from mmdet.models.losses.focal_loss import FocalLoss
from mmdet3d.models.data_preprocessors import Det3DDataPreprocessor

from . import (
    assign_score,
    ball_query,
    box_overlap,
    diff_iou,
    focal_loss,
    grouping,
    interpolate,
    iou3d,
    knn,
    minkunet_voxels,
    mmcv_sparse_conv,
    nms_rotated,
    points_in_boxes,
    roi_pool,
    rotate_iou,
    sampling,
    scatter,
)

# mmcv's autograd functions around these stay in use.
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
    'roiaware_pool3d_forward': roi_pool.roiaware_pool3d_forward,
    'roiaware_pool3d_backward': roi_pool.roiaware_pool3d_backward,
    'roipoint_pool3d_forward': roi_pool.roipoint_pool3d_forward,
    'assign_score_withk_forward': assign_score.assign_score_withk_forward,
    'assign_score_withk_backward': assign_score.assign_score_withk_backward,
    'sigmoid_focal_loss_forward': focal_loss.sigmoid_focal_loss_forward,
    'sigmoid_focal_loss_backward': focal_loss.sigmoid_focal_loss_backward,
    'softmax_focal_loss_forward': focal_loss.softmax_focal_loss_forward,
    'softmax_focal_loss_backward': focal_loss.softmax_focal_loss_backward,
    'get_indice_pairs_2d_forward': mmcv_sparse_conv.get_indice_pairs,
    'get_indice_pairs_3d_forward': mmcv_sparse_conv.get_indice_pairs,
    'get_indice_pairs_4d_forward': mmcv_sparse_conv.get_indice_pairs,
    'get_indice_pairs_2d_backward': mmcv_sparse_conv.get_indice_pairs_with_grid,
    'get_indice_pairs_3d_backward': mmcv_sparse_conv.get_indice_pairs_with_grid,
    'indice_conv_forward': mmcv_sparse_conv.indice_conv_forward,
    'indice_conv_backward': mmcv_sparse_conv.indice_conv_backward,
    'indice_maxpool_forward': mmcv_sparse_conv.indice_maxpool_forward,
    'indice_maxpool_backward': mmcv_sparse_conv.indice_maxpool_backward,
    'box_iou_rotated': box_overlap.box_iou_rotated,
    'nms_rotated': nms_rotated.nms_rotated,
    'iou3d_boxes_overlap_bev_forward': iou3d.boxes_overlap_bev_forward,
    'iou3d_nms3d_forward': iou3d.nms3d_forward,
    'iou3d_nms3d_normal_forward': iou3d.nms3d_normal_forward,
    'diff_iou_rotated_sort_vertices_forward': diff_iou.sort_vertices_forward,
}

# Forward methods of mmcv's autograd functions. The first two ask for a CUDA device in Python; GroupingOperation fills
# its output with zeros before it writes the values.
FORWARD_METHODS: dict[type[torch.autograd.Function], Callable[..., Any]] = {
    FurthestPointSampling: sampling.furthest_point_sample,
    KNN: knn.knn,
    GroupingOperation: grouping.group,
}

# Plain functions of ``mmcv.ops`` that ask for a CUDA device in Python.
PYTHON_FUNCTIONS: dict[str, Callable[..., Any]] = {
    'points_in_boxes_all': points_in_boxes.points_in_boxes_all,
    'points_in_boxes_part': points_in_boxes.points_in_boxes_part,
}

# mmdet3d imports this module when it evaluates. Without CUDA the import fails.
ROTATE_IOU_MODULE = 'mmdet3d.evaluation.functional.kitti_utils.rotate_iou'


def by_device(on_cpu: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls `on_cpu` if the first tensor among its arguments is on the CPU, else the original.

    The original becomes the ``__wrapped__`` of the result.
    """

    @functools.wraps(original)
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        tensor = next(value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
        return on_cpu(*args, **kwargs) if tensor.is_cpu else original(*args, **kwargs)

    return dispatch


def _rebind(name: str, original: Callable[..., Any], replacement: Callable[..., Any]) -> None:
    """Replace a function in every loaded module that holds it: mmdet3d imports it by name."""
    for module in list(sys.modules.values()):
        # By their dicts: some modules import others when an attribute is read. None stands for one that is hidden.
        if getattr(module, '__dict__', {}).get(name) is original:
            setattr(module, name, replacement)


@functools.cache
def register() -> None:
    """Make the changes that the module's docstring lists. ``strl_mmdet3d.ops`` calls it; later calls change nothing."""
    for name, on_cpu in COMPILED_FUNCTIONS.items():
        setattr(mmcv._ext, name, by_device(on_cpu, getattr(mmcv._ext, name)))
    for function, on_cpu in FORWARD_METHODS.items():
        function.forward = staticmethod(by_device(on_cpu, function.forward))  # type: ignore[method-assign]
    for name, on_cpu in PYTHON_FUNCTIONS.items():
        original = getattr(mmcv.ops, name)
        _rebind(name, original, by_device(on_cpu, original))
    Det3DDataPreprocessor.voxelize = minkunet_voxels.by_device(Det3DDataPreprocessor.voxelize)
    FocalLoss.forward = by_device(focal_loss.mmdet_focal_loss, FocalLoss.forward)
    if not torch.cuda.is_available():
        sys.modules.setdefault(ROTATE_IOU_MODULE, rotate_iou)
    # mmdet3d falls back on mmcv's sparse convolutions if spconv is not installed.
    if importlib.util.find_spec('spconv') is not None:
        from spconv.pytorch import ops as spconv_ops
        from spconv.pytorch.conv import SparseConvolutionBase
        from spconv.pytorch.pool import SparseMaxPool

        from . import sparse_conv

        for on_cpu in (
            sparse_conv.indice_conv,
            sparse_conv.indice_conv_backward,
            sparse_conv.indice_maxpool,
            sparse_conv.indice_maxpool_backward,
        ):
            setattr(spconv_ops, on_cpu.__name__, by_device(on_cpu, getattr(spconv_ops, on_cpu.__name__)))
        for layer, name in ((SparseConvolutionBase, '_conv_forward'), (SparseMaxPool, 'forward')):
            setattr(layer, name, sparse_conv.by_native_algorithm(getattr(layer, name)))
