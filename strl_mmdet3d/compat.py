"""Makes mmdet3d 1.4 work with numpy 1.24 to 1.26: restores ``np.long``, which they lack.

mmdet3d 1.4's ``DataBaseSampler`` still uses the name, and so does ``ObjectSample`` in every stock KITTI config. The
name means the C long, as in numpy 2, which has it again.
"""

from __future__ import annotations

import numpy as np

if 'long' not in vars(np):  # hasattr would emit a FutureWarning
    np.long = np.dtype('long').type  # type: ignore[attr-defined]
