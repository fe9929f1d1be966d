"""The version of strl_mmdet3d, and the versions of the packages that it needs."""

from __future__ import annotations

from importlib import metadata

from packaging.version import Version

__version__ = '0.1.0'

# Package -> (lowest version, first version too new, how to install it). A lower bound is either mmdet3d 1.4's own or
# the oldest version with the API that is used here. The tested stack is tools/environment/requirements.txt.
REQUIRED: dict[str, tuple[str, str, str]] = {
    'torch': ('2.1', '3.0', "pip install 'torch>=2.1' (pick the build for your CUDA)"),
    'mmengine': ('0.10.0', '1.0', "pip install 'mmengine>=0.10,<1.0'"),
    'mmcv': (
        '2.0.0',
        '2.2',
        "mim install 'mmcv>=2.0.0,<2.2' (mmcv with ops, not mmcv-lite; a checkout of strl_mmdet3d has "
        'tools/environment/install_mmcv.py, which builds mmcv 2.1 with ops)',
    ),
    'mmdet': ('3.0.0', '3.4', "pip install 'mmdet>=3.0,<3.4'"),
    'mmdet3d': ('1.4.0', '1.5', "pip install 'mmdet3d==1.4.0'"),
    'numba': ('0.57', '1.0', "pip install 'numba>=0.57'"),
    'numpy': (
        '1.25',
        '2.0',
        "pip install 'numpy>=1.25,<2' 'scipy<1.18' 'pandas<3.1' (mmdet3d 1.4 needs numpy 1; newer scipy and pandas "
        'need numpy 2)',
    ),
    'pytorch-optimizer': ('4.0', '5.0', "pip install 'pytorch-optimizer>=4.0'"),
}


def check_versions(required: dict[str, tuple[str, str, str]] = REQUIRED) -> None:
    """Check the installed versions of the required packages, without importing the packages.

    Args:
        required: Package -> (lowest version, first version too new, the command that installs a fitting one).

    Raises:
        ImportError: If packages are missing or do not fit. The message names each with the command to install it.
    """
    problems = []
    for package, (lowest, too_new, command) in required.items():
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            problems.append(f'  {package} is not installed; it needs >={lowest},<{too_new}: {command}')
            continue
        # Local labels (2.1.0+cpu) and pre-releases do not matter for these ranges.
        if not Version(lowest) <= Version(Version(found).base_version) < Version(too_new):
            problems.append(f'  {package} {found} is installed; it needs >={lowest},<{too_new}: {command}')
    if problems:
        raise ImportError('strl_mmdet3d cannot run in this environment:\n' + '\n'.join(problems))
