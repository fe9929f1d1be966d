"""STRL pre-training for the detectors of mmdetection3d.

A config imports the package by ``custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)``.

Importing it changes six things in the process, and no others:

1. mmdet3d's registries get the classes of the package. `STRLDistributedDataParallel` and `collate_pairs` go into
   mmengine's, where the Runner looks for them.
2. Operators that mmcv, spconv and mmdet3d have for CUDA only get implementations for CPU tensors;
   :mod:`strl_mmdet3d.ops.dispatch` lists each. All other tensors take the original functions.
3. numpy gets ``np.long`` back, which mmdet3d 1.4 still uses; see :mod:`strl_mmdet3d.compat`.
4. mmengine finds configs by ``strl_mmdet3d::``; see :mod:`strl_mmdet3d.compat`.
5. mmengine loads the encoders that come with the package by ``strl://``; see :mod:`strl_mmdet3d.zoo`.
6. mmdet3d's ``H3DBboxHead`` trains with the torch that is installed; see :mod:`strl_mmdet3d.compat`.

The import does not switch safe loading on, because that would change the loads of all other code too. Our tools do, and
so do `SafeLoadingHook` and ``strl_mmdet3d.safe_loading.load_safely()``.

The data runs through the folders in this order::

    sequence index -> frame pair -> two views -> two batches -> online/target -> loss -> EMA -> exported encoder
    datasets/         datasets/     transforms/  models/        models/          models/ engine/ export/
"""

from .version import __version__, check_versions

check_versions()

# The versions come before all that imports mmdet3d.
from . import compat, datasets, engine, evaluation, models, ops, zoo  # noqa: E402

__all__ = ['__version__', 'compat', 'datasets', 'engine', 'evaluation', 'models', 'ops', 'zoo']
