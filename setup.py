"""Install strl_mmdet3d, with its configs and tools below ``strl_mmdet3d/.mim``, where OpenMMLab's tools look."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.develop import develop

ROOT = Path(__file__).resolve().parent
SHIPPED = ('configs', 'tools', 'model-index.yml')
DEVELOPMENT = ('benchmark.py', 'benchmarks', 'environment')  # in tools; a wheel leaves them out


class BuildWithMim(build_py):
    """Put copies of what is shipped into the wheel."""

    def run(self) -> None:
        """Build as usual, then copy. An editable build gets links to the whole folders instead."""
        super().run()
        if getattr(self, 'editable_mode', False):
            link_mim()
            return
        mim = Path(self.build_lib) / 'strl_mmdet3d' / '.mim'
        shutil.rmtree(mim, ignore_errors=True)
        for name in SHIPPED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, mim / name, ignore=shutil.ignore_patterns('__pycache__', *DEVELOPMENT))
            else:
                shutil.copy(ROOT / name, mim / name)


class DevelopWithMim(develop):
    """Link what is shipped for ``setup.py develop``, too."""

    def run(self) -> None:
        """Link, then develop as usual."""
        link_mim()
        super().run()


def link_mim() -> None:
    """Link what is shipped into ``.mim`` in the source tree."""
    folder = ROOT / 'strl_mmdet3d' / '.mim'
    folder.mkdir(exist_ok=True)
    for name in SHIPPED:
        link = folder / name
        if link.is_symlink():
            link.unlink()
        if not link.exists():
            link.symlink_to(os.path.relpath(ROOT / name, folder), target_is_directory=(ROOT / name).is_dir())


def version() -> str:
    """Return the version, read without importing the package."""
    text = (ROOT / 'strl_mmdet3d' / 'version.py').read_text()
    return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)[1]


setup(
    name='strl_mmdet3d',
    version=version(),
    description='STRL pre-training on unlabelled point-cloud sequences for the detectors of mmdetection3d',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    license_expression='Apache-2.0',
    license_files=['LICENSE'],
    classifiers=['Programming Language :: Python :: 3'],
    packages=find_packages(include=['strl_mmdet3d', 'strl_mmdet3d.*']),
    package_data={'strl_mmdet3d': ['py.typed', 'zoo/files/*']},
    python_requires='>=3.10',
    # Only packages that an mmdetection3d environment lacks. torch, mmcv and spconv come in builds for each CUDA; naming
    # them here could make pip replace the user's. The package checks them when it is imported. scipy and rich come with
    # mmdet3d's and mmengine's own dependencies, in any version.
    install_requires=['pytorch-optimizer>=4.0,<5', 'rich', 'scipy'],
    extras_require={
        'probe': ['scikit-learn', 'h5py', 'trimesh'],
        'vis': ['matplotlib'],
        'sim': ['trimesh', 'embreex'],
        'formats': ['pypcd4', 'laspy', 'lazrs', 'rosbags', 'pyarrow<22', 'kiss-icp'],
        'docs': ['mkdocs-material>=9.5,<10', 'mkdocstrings[python]>=1,<2'],
        'dev': ['pytest', 'pytest-xdist', 'hypothesis', 'ruff', 'mypy', 'interrogate'],
    },
    cmdclass={'build_py': BuildWithMim, 'develop': DevelopWithMim},
    zip_safe=False,
)
