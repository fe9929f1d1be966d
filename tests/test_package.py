"""What ships, and that it works away from the repository: by our tools, by mmdet3d's, by mmengine's ``::`` names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import create_sequence_index
import numpy as np
import pytest
import yaml
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config

import strl_mmdet3d

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ('strl_mmdet3d', 'configs', 'tools', 'docs', 'tests')
CACHES = shutil.ignore_patterns('__pycache__', '.mim')


def build(kind: str, source: Path, out: Path) -> Path:
    """Build a wheel or an sdist as pip does, without the network."""
    out.mkdir()
    program = f'from setuptools import build_meta; print(build_meta.build_{kind}({str(out)!r}))'
    subprocess.run([sys.executable, '-W', 'ignore', '-c', program], cwd=source, capture_output=True, check=True)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope='module')
def sdist(tmp_path_factory):
    """The sdist, unpacked."""
    work = tmp_path_factory.mktemp('sdist')
    source = work / 'source'
    source.mkdir()
    for path in (path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith('.')):
        shutil.copy(path, source)
    for name in SHIPPED:
        shutil.copytree(ROOT / name, source / name, ignore=CACHES)
    with tarfile.open(build('sdist', source, work / 'built')) as archive:
        archive.extractall(work / 'unpacked', filter='data')
    (unpacked,) = (work / 'unpacked').iterdir()
    return unpacked


@pytest.fixture(scope='module')
def wheel(sdist):
    """The wheel that is built from the sdist."""
    return build('wheel', sdist, sdist.parent / 'wheel')


def files_below(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob('*') if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if not {'__pycache__', '.mim'} & set(path.parts)
    }


def test_the_sdist_holds_the_repository(sdist):
    for name in SHIPPED:
        assert files_below(sdist / name) == files_below(ROOT / name)
    for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'CHANGELOG.md', 'Makefile', 'model-index.yml'):
        assert (sdist / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_wheel_holds_the_package_and_what_openmmlabs_tools_look_for(wheel):
    archive = ZipFile(wheel)
    built = {name: archive.read(name) for name in archive.namelist() if '.dist-info/' not in name}
    package = {
        f'strl_mmdet3d/{name}': content
        for name, content in files_below(ROOT / 'strl_mmdet3d').items()
        if name.endswith(('.py', '.typed')) or name.startswith('zoo/files/')
    }
    shipped = {f'configs/{name}': content for name, content in files_below(ROOT / 'configs').items()}
    development = ('benchmark.py', 'benchmarks/', 'environment/')
    shipped |= {
        f'tools/{name}': content
        for name, content in files_below(ROOT / 'tools').items()
        if not name.startswith(development)
    }
    shipped['model-index.yml'] = (ROOT / 'model-index.yml').read_bytes()
    assert built == package | {f'strl_mmdet3d/.mim/{name}': content for name, content in shipped.items()}
    metadata = archive.read(next(name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))).decode()
    assert 'License-Expression: Apache-2.0' in metadata
    assert 'Classifier: License' not in metadata


def test_a_checkout_finds_its_configs_and_tools():
    shipped = Path(strl_mmdet3d.__file__).parent / '.mim'
    assert Config.fromfile(shipped / 'configs/strl/pvrcnn_kitti_pretrain.py').model.type == 'STRL'
    assert (shipped / 'tools/train.py').is_file()
    assert (shipped / 'model-index.yml').is_file()


METAFILES = {path: yaml.safe_load(path.read_text()) for path in sorted((ROOT / 'configs').rglob('metafile.yml'))}
MODELS = [model for content in METAFILES.values() for model in content['Models']]


def test_the_index_names_every_config_once():
    imported = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert sorted(imported) == [path.relative_to(ROOT).as_posix() for path in METAFILES]
    configs = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').glob('[!_]*/*.py')}
    assert sorted(model['Config'] for model in MODELS) == sorted(configs - {'configs/study/matched.py'})


def test_the_index_promises_only_what_there_is():
    """The weights are in the package's own zoo, and a result in it would be one that nobody measured."""
    collections = {entry['Name'] for content in METAFILES.values() for entry in content.get('Collections', [])}
    for model in MODELS:
        assert model.keys() == {'Name', 'In Collection', 'Config', 'Metadata'}
        assert model['Name'] == Path(model['Config']).stem  # mim's name of a config
        assert model['In Collection'] in collections
        assert model['Metadata']['Training Data']


def unscoped(config):
    """A config without the marks that mmengine puts where another package's config is a base."""
    if isinstance(config, dict):
        return ConfigDict({key: unscoped(value) for key, value in config.items() if key != '_scope_'})
    return [unscoped(value) for value in config] if isinstance(config, (list, tuple)) else config


def test_a_config_is_found_by_its_packages_name(tmp_path):
    """Here in a checkout, which `pip install -e` leaves where it is."""
    name = 'strl_mmdet3d::strl/pvrcnn_kitti_pretrain.py'
    mine = tmp_path / 'mine.py'
    mine.write_text(f'_base_ = {name!r}\ntrain_dataloader = dict(batch_size=3)\n')
    found, of_mine = get_config(name), Config.fromfile(mine)
    here = Config.fromfile(ROOT / 'configs/strl/pvrcnn_kitti_pretrain.py')
    assert found.to_dict() == here.to_dict()
    here.train_dataloader.batch_size = 3
    assert unscoped(of_mine.to_dict()) == unscoped(here.to_dict())


# What a user's environment has: the wheel and mmdet3d, and no checkout. mmdet3d's tools import nothing of ours by
# themselves. They run one after the other in one process, which imports torch once.
AWAY = """
import os, runpy, sys, warnings
from pathlib import Path
warnings.simplefilter('ignore')
import mmdet3d.utils
site = Path(os.environ['PYTHONPATH'])
configs = site / 'strl_mmdet3d/.mim/configs'
loaders = [f'{part}_dataloader.{option}' for part in ('train', 'val', 'test')
           for option in ('batch_size=2', 'num_workers=0', 'persistent_workers=False')]

def mmdet3ds(tool, *argv):
    sys.argv = [tool, *map(str, argv)]
    runpy.run_path(str(Path(mmdet3d.__path__[0]) / '.mim/tools' / tool), run_name='__main__')

assert 'strl_mmdet3d' not in sys.modules
Path('mine.py').write_text("_base_ = __import__('strl_mmdet3d') and 'strl_mmdet3d::strl/pointnet_shapenet_pretrain.py'")
mmdet3ds('misc/print_config.py', 'mine.py')
import strl_mmdet3d
from mmengine.hub import get_config
assert Path(strl_mmdet3d.__file__).is_relative_to(site), strl_mmdet3d.__file__
assert Path(get_config('strl_mmdet3d::strl/pvrcnn_kitti_pretrain.py').filename).is_relative_to(configs)

mmdet3ds('train.py', 'mine.py', '--work-dir', 'run', '--cfg-options', 'train_cfg.max_epochs=2', *loaders[:3])
config = configs / 'downstream/pointnet_shapes_from_strl.py'
options = ['load_from=run/encoder.pth', 'train_cfg.max_epochs=1', *loaders]
mmdet3ds('train.py', config, '--work-dir', 'tuned', '--cfg-options', *options)
mmdet3ds('test.py', config, 'tuned/epoch_1.pth', '--work-dir', 'tested', '--cfg-options', *loaders)
"""


def test_the_wheel_works_away_from_the_repository(wheel, tmp_path):
    site, data, away = (tmp_path / name for name in ('site', 'data', 'away'))
    ZipFile(wheel).extractall(site)
    data.mkdir()
    points = np.random.default_rng(0).standard_normal((6, 2048, 3)).astype(np.float32)
    split = np.repeat(['train', 'test'], [2, 4])
    np.savez(data / 'shapes.npz', points=points, label=[0, 1] * 3, classes=np.array(['a', 'b']), split=split)
    for index, *options in (('sequences', 'train', '--no-labels'), ('train', 'train'), ('test', 'test')):
        out = str(data / f'{index}.json')
        create_sequence_index.main(['shapes', '--root', str(data), '--out', out, '--split', *options])
    away.mkdir()
    of_user = dict(PYTHONPATH=str(site), SHAPENET_ROOT=str(data), SHAPES_ROOT=str(data), OMP_NUM_THREADS='1')
    done = subprocess.run(
        [sys.executable, '-c', AWAY], cwd=away, env=os.environ | of_user, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "type='TemporalPairDataset'" in done.stdout, 'print_config'
    for of_run, names in (('run', {'epoch_2.pth', 'encoder.pth'}), ('tuned', {'epoch_1.pth'})):
        assert names <= {path.name for path in (away / of_run).iterdir()}
    (metrics,) = (away / 'tested').glob('*/*.json')
    assert 0 <= json.loads(metrics.read_text())['accuracy'] <= 100
