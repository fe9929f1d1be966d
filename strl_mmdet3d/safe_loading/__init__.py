"""Reading checkpoints and data files that others wrote, without running what they ask for. See docs/security.md.

`load_safely` switches the guards on for the whole process, other projects' loads by torch and mmengine included.
Importing strl_mmdet3d does not: the tools call it, and `SafeLoadingHook` does so for a run by another ``train.py``.
"""

from .checkpoint_check import check_checkpoint
from .checkpoints import allow_mmengine_checkpoints, allowed_globals, globals_allowed, load_checked
from .pickles import UnsafePickleError, refuse_unsafe_pickles
from .plain_yaml import refuse_unsafe_yaml
from .without_code import without_code, without_foreign_files


def load_safely() -> None:
    """Have torch and mmengine read checkpoints, pickles and YAML files as data only."""
    allow_mmengine_checkpoints()
    refuse_unsafe_pickles()
    refuse_unsafe_yaml()
