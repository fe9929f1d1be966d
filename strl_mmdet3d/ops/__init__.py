"""CPU kernels for the ops of mmcv, mmdet3d and spconv that mmdetection3d's detectors use.

Importing this package puts the kernels in place for CPU tensors. A CUDA tensor takes the original path. The modules of
mmcv, mmdet3d and spconv stay in use: only functions that they call are replaced. The docstring of
:mod:`~strl_mmdet3d.ops.dispatch` lists everything that the import changes.

The kernels return what the CUDA kernels return, index for index: the same order of ties, the same padding and the same
marks. Sums are rounded as the CUDA source writes them. nvcc may fuse a product and a sum into one rounding, so a GPU
may still order two distances differently if they differ only in their last bit. Areas that boxes share are exact, where
the CUDA kernels allow tolerances.

float64 is computed in float64, also where a CUDA kernel rounds to float32; float16 and bfloat16 are computed in
float32.
"""

from .dispatch import register

register()
