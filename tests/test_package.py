"""What ships: the wheel, and the configs and tools in it where mim looks for them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from mmengine.config import Config

import strl_mmdet3d

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_holds_the_package_configs_and_tools(tmp_path):
    source = tmp_path / 'source'
    source.mkdir()
    for name in ('strl_mmdet3d', 'configs', 'tools'):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '.']
    subprocess.run([*command, '-w', str(tmp_path)], cwd=source, check=True)
    (wheel,) = tmp_path.glob('*.whl')
    names = set(ZipFile(wheel).namelist())
    modules = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / 'strl_mmdet3d').rglob('*.py') if '.mim' not in path.parts
    }
    configs = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('*.py')}
    tools = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'tools').rglob('*') if path.suffix in ('.py', '.sh')}
    development = {name for name in tools if name.split('/')[1] in ('benchmark.py', 'benchmarks', 'environment')}
    assert len(development) > 2
    assert modules <= names
    in_mim = {name.removeprefix('strl_mmdet3d/.mim/') for name in names if name.startswith('strl_mmdet3d/.mim/')}
    assert configs <= in_mim
    assert {name for name in in_mim if name.startswith('tools/')} == tools - development
    assert not any(name.startswith('tests') for name in names)
    metadata = ZipFile(wheel).read(next(name for name in names if name.endswith('.dist-info/METADATA'))).decode()
    assert 'License-Expression: Apache-2.0' in metadata
    assert 'Classifier: License' not in metadata


def test_an_installed_package_finds_its_configs_and_tools():
    shipped = Path(strl_mmdet3d.__file__).parent / '.mim'
    assert Config.fromfile(shipped / 'configs/strl/pvrcnn_kitti_pretrain.py').model.type == 'STRL'
    assert (shipped / 'tools/train.py').is_file()
