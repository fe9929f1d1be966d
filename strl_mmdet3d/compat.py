"""Two entries that the import adds to tables of other packages.

``np.long``
    numpy 1.24 to 1.26 lack it. mmdet3d 1.4's ``DataBaseSampler`` still uses the name, and so does ``ObjectSample`` in
    every stock KITTI config. The name means the C long, as in numpy 2, which has it again.

``mmengine.config.utils.MODULE2PACKAGE``
    mmengine reads ``package::path`` only if this table names the package, and it lists OpenMMLab's own alone. With our
    entry, ``get_config('strl_mmdet3d::strl/...')`` and ``_base_ = 'strl_mmdet3d::strl/...'`` are found below ``.mim``.
"""

from __future__ import annotations

import numpy as np
from mmengine.config.utils import MODULE2PACKAGE

if 'long' not in vars(np):  # hasattr would emit a FutureWarning
    np.long = np.dtype('long').type  # type: ignore[attr-defined]

# mmengine takes the folder of the distribution of this name. An editable install has none, and another version of the
# package may be installed beside the imported one. For a name without a distribution it takes the folder of the module.
MODULE2PACKAGE['strl_mmdet3d'] = 'strl_mmdet3d.version'
