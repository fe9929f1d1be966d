"""The registries of the scope ``strl_mmdet3d``, by which mmengine builds what ``_base_ = 'strl_mmdet3d::...'`` brings.

mmengine marks such settings with the package's name as their scope, imports this module and looks for a registry of
that scope. Ours are empty children of mmdet3d's: what they are asked for is looked up there, where our classes are.
"""

from __future__ import annotations

from mmdet3d import registry
from mmengine.registry import Registry

SCOPE = 'strl_mmdet3d'

# Without a location, mmengine would look for `strl_mmdet3d.utils` and warn.
REGISTRIES = {
    name: Registry(parent.name, parent=parent, scope=SCOPE, locations=[SCOPE])
    for name, parent in vars(registry).items()
    if isinstance(parent, Registry) and parent.scope == 'mmdet3d'
}
"""Name of a registry of mmdet3d, such as 'MODELS' -> its child."""
