"""Safe loading, for a run that another project's ``train.py`` starts."""

from __future__ import annotations

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook

from ...safe_loading import load_safely


@HOOKS.register_module()
class SafeLoadingHook(Hook):
    """Switch `load_safely` on as soon as the Runner builds its hooks: ahead of data sets and checkpoints.

    Our tools do so by themselves. mmdet3d's own ``tools/train.py`` needs this hook to resume on torch 2.6 and newer.
    """

    def __init__(self) -> None:
        load_safely()
