"""STRL pre-training for the detectors of mmdetection3d.

Importing the package registers everything it adds in mmdet3d's registries; a config asks for that with
``custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)``.

The way of the data is the way of the folders::

    sequence index -> frame pair -> two views -> two batches -> online/target -> loss -> EMA -> exported encoder
    datasets/         datasets/     transforms/  models/        models/          models/ engine/ engine/
"""

from .version import __version__, check_versions

check_versions()

# The versions come before all that imports mmdet3d.
from . import compat, datasets, engine, evaluation, models, ops  # noqa: E402

__all__ = ['__version__', 'compat', 'datasets', 'engine', 'evaluation', 'models', 'ops']
