"""Reading checkpoints and info files without running what a pickle may ask for.

`load_safely` switches both guards on for the whole process, other projects' loads by torch and mmengine included.
Importing strl_mmdet3d does not: the tools call it, and `SafeLoadingHook` does so for a run by another ``train.py``.
"""

from .checkpoints import allow_mmengine_checkpoints, allowed_globals, globals_allowed
from .pickles import UnsafePickleError, refuse_unsafe_pickles


def load_safely() -> None:
    """Have ``torch.load`` keep ``weights_only``, and ``mmengine.load`` read plain pickles only."""
    allow_mmengine_checkpoints()
    refuse_unsafe_pickles()
