"""The version of strl_mmdet3d, and of what it runs with."""

from __future__ import annotations

from importlib import metadata

from packaging.version import Version

__version__ = '0.1.0'

# package -> (lowest, first that no longer fits, how to install it). The lower bounds are mmdet3d 1.4's own, or the
# oldest with the API that is used here; the stack in tools/environment/requirements.txt is the one that is tested.
REQUIRED: dict[str, tuple[str, str, str]] = {
    'torch': ('2.1', '3.0', "pip install 'torch>=2.1' (pick the build for your CUDA)"),
    'mmengine': ('0.10.0', '1.0', "pip install 'mmengine>=0.10,<1.0'"),
    'mmcv': ('2.0.0', '2.2', 'python tools/environment/install_mmcv.py (mmcv 2.1 with ops; not mmcv-lite)'),
    'mmdet': ('3.0.0', '3.4', "pip install 'mmdet>=3.0,<3.4'"),
    'mmdet3d': ('1.4.0', '1.5', "pip install 'mmdet3d==1.4.0'"),
    'numba': ('0.57', '1.0', "pip install 'numba>=0.57'"),
    'numpy': ('1.25', '2.0', "pip install 'numpy>=1.25,<2' (mmdet3d 1.4 needs numpy 1)"),
    'pytorch-optimizer': ('4.0', '5.0', "pip install 'pytorch-optimizer>=4.0'"),
}


def check_versions(required: dict[str, tuple[str, str, str]] = REQUIRED) -> None:
    """Check what is installed against what is needed, without importing it.

    Args:
        required: Package -> (lowest version, first version too new, the command that installs a fitting one).

    Raises:
        ImportError: Naming every package that is missing or does not fit, with the command to install each.
    """
    problems = []
    for package, (lowest, too_new, command) in required.items():
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            problems.append(f'  {package} is not installed; it needs >={lowest},<{too_new}: {command}')
            continue
        # A local label (2.1.0+cpu) and a pre-release do not matter for the ranges here.
        if not Version(lowest) <= Version(Version(found).base_version) < Version(too_new):
            problems.append(f'  {package} {found} is installed; it needs >={lowest},<{too_new}: {command}')
    if problems:
        raise ImportError('strl_mmdet3d cannot run in this environment:\n' + '\n'.join(problems))
