"""What the import mends in other packages, beside their operators.

``np.long``
    numpy 1.24 to 1.26 lack it. mmdet3d 1.4's ``DataBaseSampler`` still uses the name, and so does ``ObjectSample`` in
    every stock KITTI config. The name means the C long, as in numpy 2, which has it again.

``mmengine.config.utils.MODULE2PACKAGE``
    mmengine reads ``package::path`` only if this table names the package, and it lists OpenMMLab's own alone. With our
    entry, ``get_config('strl_mmdet3d::strl/...')`` and ``_base_ = 'strl_mmdet3d::strl/...'`` are found below ``.mim``.

``mmdet3d.models.roi_heads.bbox_heads.H3DBboxHead``
    Its ``forward`` adds in place to the output of ``bbox_pred[0]``, a layer that ends in a ReLU. torch needs this
    output for the gradient and stops the training. The layer of a head that is built now gives a copy. Names and
    values of its tensors stay.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from mmdet3d.models.roi_heads.bbox_heads import H3DBboxHead
from mmengine.config.utils import MODULE2PACKAGE
from torch import Tensor, nn

if 'long' not in vars(np):  # hasattr would emit a FutureWarning
    np.long = np.dtype('long').type  # type: ignore[attr-defined]

# mmengine takes the folder of the distribution of this name. An editable install has none, and another version of the
# package may be installed beside the imported one. For a name without a distribution it takes the folder of the module.
MODULE2PACKAGE['strl_mmdet3d'] = 'strl_mmdet3d.version'


def _copied(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Return a copy of a layer's output: a forward hook."""
    return output.clone()


def _with_a_copy(build: Callable[..., None]) -> Callable[..., None]:
    """Return an ``__init__`` of ``H3DBboxHead`` by which the first layer of ``bbox_pred`` gives a copy."""

    @functools.wraps(build)
    def build_with_a_copy(head: Any, *args: Any, **kwargs: Any) -> None:
        build(head, *args, **kwargs)
        head.bbox_pred[0].register_forward_hook(_copied)

    return build_with_a_copy


H3DBboxHead.__init__ = _with_a_copy(H3DBboxHead.__init__)
