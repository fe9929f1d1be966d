"""What mmdet3d 1.4 needs of a numpy newer than itself."""

from __future__ import annotations

import numpy as np


def restore_np_long() -> None:
    """Give ``np.long`` back where numpy (1.24 to 1.26) lacks it.

    mmdet3d 1.4's ``DataBaseSampler``, and with it ``ObjectSample`` in every stock KITTI config, still uses the name.
    numpy 2 has it again, as the C long, which is what it gets here.
    """
    if 'long' not in vars(np):  # hasattr would warn of the name
        np.long = np.dtype('long').type  # type: ignore[attr-defined]


restore_np_long()
