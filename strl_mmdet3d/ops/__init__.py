"""CPU kernels for what mmdetection3d's detectors use of mmcv, spconv and numba.cuda, registered on import.

mmcv's own functions and mmdet3d's own modules stay in use: only what they call underneath is replaced, for CPU tensors
alone. A CUDA tensor takes the original path. :mod:`~strl_mmdet3d.ops.dispatch` holds the table of the replacements.

The kernels compute what the CUDA kernels compute, index for index: the same order of ties, padding and marks. Sums
are rounded in float32 as the CUDA source writes them; nvcc may fuse a product and a sum into one rounding, so that
distances that differ in their last bit alone may still be ordered differently on a GPU.
"""

from .dispatch import register

register()

__all__ = ['register']
