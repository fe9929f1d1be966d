"""What the tools share: imports, settings, configs and errors in one sentence."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import convert_authors_checkpoint
import pytest
from command_line import (
    add_cfg_options,
    as_settings,
    foreseen_errors,
    hide_deprecations,
    load_config,
    refused_settings,
)
from mmengine.config import DictAction
from torch.utils.data import DataLoader, Dataset

from strl_mmdet3d import safe_loading
from strl_mmdet3d.datasets import CorruptFrameError
from strl_mmdet3d.engine.work_dir import WorkDirError
from strl_mmdet3d.errors import ConfigError, StrlError
from strl_mmdet3d.export import ExportError
from strl_mmdet3d.export.authors_checkpoint import ENCODERS

TOOLS = Path(__file__).parents[2] / 'tools'
HEAVY = ('torch', 'numpy', 'mmengine', 'mmdet3d', 'strl_mmdet3d')
COMMAND_LINES = {
    'train': ['config.py', '--cfg-options', 'a.b=1'],
    'test': ['config.py', 'epoch_1.pth', '--cfg-options', 'a.b=1'],
    'export_encoder': ['epoch_1.pth', 'encoder.pth', '--verify', 'mmdet3d::a/b.py'],
    'convert_authors_checkpoint': ['dgcnn.ckpt', 'encoder.pth', '--encoder', 'dgcnn'],
    'convert_openpcdet': ['to', 'encoder.pth', 'pcdet.pth', '--detector', 'second'],
    'create_sequence_index': ['kitti-raw', '--root', 'data', '--out', 'sequences.json'],
    'inspect_sequences': ['sequences.json', '--config', 'config.py', '--out', 'page.html'],
    'collect_moved_things': ['config.py', '--out', 'things.npz', '--cfg-options', 'a.b=1'],
    'model_zoo': ['list'],
    'browse_pairs': ['config.py', '--out', 'pictures', '--cfg-options', 'a.b=1'],
    'convert_bags': ['drive.bag', '--out', 'data'],
    'convert_argoverse2': ['av2', '--out', 'data'],
    'estimate_poses': ['--root', 'data', '--index', 'sequences.json'],
    'make_pretrain_config': ['mmdet3d::a/b.py', '--list'],
    'linear_probe': ['config.py', 'encoder.pth', '--cfg-options', 'a.b=1'],
    'evaluate_pretraining': ['config.py', '--checkpoint', 'strl=encoder.pth', '--out', 'study'],
    'reproduce': ['list', '1', '--work-dir', 'reproduction'],
    'select_labels': ['index.json', 'few.json', '--fraction', '0.1'],
    'simulate_data': ['kitti', '--out', 'data'],
    'prepare_sunrgbd': ['--root', 'official', '--out', 'data'],
}


@pytest.mark.parametrize('tool', COMMAND_LINES)
def test_the_command_line_is_parsed_before_anything_heavy_is_imported(tool):
    code = (
        f'import sys; sys.path.insert(0, {str(TOOLS)!r}); import {tool}; {tool}.parse_args({COMMAND_LINES[tool]!r}); '
        f'print([name for name in {HEAVY!r} if name in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == '[]\n'


def test_every_tool_is_checked():
    tools = {path.stem for path in TOOLS.glob('*.py') if 'def parse_args' in path.read_text()}
    assert tools - {'benchmark'} == set(COMMAND_LINES)


IN_PARALLEL = """
import sys
sys.path.insert(0, sys.argv[1])
import command_line, numba, torch

@numba.njit(parallel=True)
def count(n):
    total = 0
    for i in numba.prange(n):
        total += 1
    return total

before = torch.get_num_threads()
print(count(1000), before, torch.get_num_threads())
"""


def test_numba_in_parallel_leaves_torch_the_threads_that_it_was_given():
    environment = {key: value for key, value in os.environ.items() if key != 'NUMBA_NUM_THREADS'}
    environment |= dict(OMP_NUM_THREADS='1')
    command = [sys.executable, '-c', IN_PARALLEL, str(TOOLS)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ['1000', '1', '1']


def test_the_choices_of_convert_authors_checkpoint_are_the_known_encoders():
    assert list(convert_authors_checkpoint.ENCODERS) == sorted(ENCODERS)


OPTIONS = ['a=1', 'a.b=0.5', 'c=1,2', 'd=[(1,2),(x,None)]', "e='quoted'", 'f=True', 'g=k=v', 'h=a b', 'i=', 'j=-1e-3']


def test_settings_are_those_of_mmengines_action():
    theirs, ours = argparse.ArgumentParser(), argparse.ArgumentParser()
    theirs.add_argument('--cfg-options', nargs='+', action=DictAction)
    add_cfg_options(ours)
    argv = ['--cfg-options', *OPTIONS[:5], '--cfg-options', *OPTIONS[5:]]
    options = ours.parse_args(argv).cfg_options
    assert options == OPTIONS
    assert as_settings(options) == theirs.parse_args(argv).cfg_options
    assert as_settings(ours.parse_args([]).cfg_options) == {}


@pytest.mark.parametrize('path', ['my runs/encoder.pth', '/a,b/x y.pth', 'a = b, c'])
def test_a_path_keeps_its_blanks_and_commas(path):
    assert as_settings([f'load_from={path}', 'a=1,2']) == dict(load_from=path, a=[1, 2])
    assert as_settings([f'train_dataloader.dataset.ann_file={path}'])['train_dataloader.dataset.ann_file'] == path
    assert as_settings(['load_from=None', 'data_root=data']) == dict(load_from=None, data_root='data')
    assert as_settings(['ann_file=[a.json,b.json]']) == dict(ann_file=['a.json', 'b.json'])


def test_a_setting_without_a_value_or_with_an_open_bracket_is_refused(capsys):
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    with pytest.raises(SystemExit, match='2'):
        parser.parse_args(['--cfg-options', 'a.b'])
    assert "'a.b' is not of the form KEY=VALUE" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r'--cfg-options: .*\[1,2'):
        as_settings(['a=[[1,2]'])


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('a = dict(b=[1, dict(c=2)])\nd = 3\n')
    return str(path)


def test_a_config_is_read_with_the_settings(config):
    loaded = load_config(config, ['a.b.1.c=5', 'e.f=x'])
    assert (loaded.a.b, loaded.e.f, loaded.filename) == ([1, dict(c=5)], 'x', config)
    assert load_config(config).d == 3


def test_a_config_that_a_package_ships_is_read():
    assert load_config('mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-car.py', ['model.x=1']).model.x == 1


@pytest.mark.parametrize(
    ('options', 'match'), [(['d.x=1'], 'd='), (['a.b.7.c=1'], 'Index 7 exceeds'), (['a.b.c=1'], 'list indices')]
)
def test_a_setting_without_a_place_in_the_config_is_refused(config, options, match):
    with pytest.raises(ConfigError, match=rf'--cfg-options do not fit .*config\.py: .*{match}'):
        load_config(config, options)


@pytest.mark.parametrize(
    ('name', 'text'),
    [('a.py', 'x = (\n'), ('a.json', '{"x": ['), ('a.txt', ''), ('b.py', "_base_ = 'nowhere.py'\n")],
)
def test_a_file_that_is_not_a_config_is_named(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=rf'{name} cannot be read as a config: '):
        load_config(str(tmp_path / name))


@pytest.mark.parametrize('path', ['nowhere.py', '.', 'mmdet3d::nowhere/x.py', 'no_package::a/b.py', 'mmdet3d::x'])
def test_a_missing_config_is_one_sentence(path):
    with pytest.raises(ConfigError, match=f'no config at {path}|{path} cannot be read as a config'):
        load_config(path)


def message_of(error: Exception) -> str:
    """The message with which a tool ends that raises the error."""
    with pytest.raises(SystemExit, match=r'^error: ') as ending, foreseen_errors('work_dirs/run'):
        raise error
    assert isinstance(ending.value.code, str)  # printed, with exit code 1
    return ending.value.code


@pytest.mark.parametrize(
    'error',
    [
        StrlError('a.json is damaged'),
        ConfigError('a.json is damaged'),
        ExportError('a.json is damaged'),
        WorkDirError('a.json is damaged'),
        pickle.UnpicklingError('a.json is damaged'),
        FileExistsError('a.json is damaged'),
    ],
)
def test_foreseen_errors_are_their_message(error):
    assert message_of(error) == 'error: a.json is damaged'


@pytest.mark.parametrize('error', [ValueError('x'), RuntimeError('x'), KeyError('x'), ModuleNotFoundError('x')])
def test_other_errors_keep_their_traceback(error):
    with pytest.raises(type(error)) as raised, foreseen_errors():
        raise error
    assert raised.value is error


def test_an_error_of_the_system_names_the_file(tmp_path):
    missing = tmp_path / 'missing.json'
    with pytest.raises(SystemExit, match=r'^error: .*No such file or directory: .*missing\.json'), foreseen_errors():
        missing.open()
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # of a write, which does not name its file
    assert message_of(full) == 'error: No space left on device, while work_dirs/run was written'


class Failing(Dataset):
    """Raises its error for every item."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> None:
        try:
            {}['another error, during which this one is raised']
        except KeyError:
            raise self.error  # noqa: B904


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (CorruptFrameError('0.bin is truncated. Restore it'), '0.bin is truncated. Restore it'),
        (ConfigError('two lines:\n  CorruptFrameError: the second'), 'two lines:\n  CorruptFrameError: the second'),
        (
            FileNotFoundError(errno.ENOENT, 'No such file or directory', '0.bin'),
            "[Errno 2] No such file or directory: '0.bin'",
        ),
    ],
)
def test_the_error_of_a_worker_is_its_own_message_alone(error, message):
    with pytest.raises(SystemExit, match=r'^error: ') as ending, foreseen_errors():
        list(DataLoader(Failing(error), num_workers=1))
    assert 'in DataLoader worker process 0' in str(ending.value.__cause__)
    assert ending.value.code == f'error: {message}'


def test_a_tool_ends_with_one_line_on_stderr_and_exit_code_1(tmp_path):
    command = [sys.executable, str(TOOLS / 'select_labels.py'), 'nowhere.json', 'out.json', '--fraction', '1']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith('error: no sequence index at nowhere.json')
    assert done.stderr.count('\n') == 1


def test_a_refused_setting_is_a_foreseen_error():
    with pytest.raises(ConfigError, match='prob must be in'), refused_settings():
        raise ValueError('prob must be in [0, 1]')
    with pytest.raises(KeyError, match='prob'), refused_settings():
        raise KeyError('prob')


def warn_as(module: str, message: str, category: type[Warning]) -> None:
    warnings.warn_explicit(message, category, f'{module}.py', 1, module=module)


def test_deprecations_of_other_packages_are_hidden_and_all_else_is_shown(monkeypatch):
    monkeypatch.setattr(sys, 'warnoptions', [])
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        hide_deprecations()
        warn_as('pkg_resources', 'use importlib', DeprecationWarning)
        warn_as('torch.cuda', 'in the future', FutureWarning)
        warn_as('mmengine.utils', 'pkg_resources is\ndeprecated as an API.', UserWarning)
        warn_as('mmdet3d.models', 'dir_offset will be depressed', UserWarning)
        assert not shown
        warn_as('mmdet3d.models', 'the loss is NaN', UserWarning)
        warn_as('strl_mmdet3d.models', 'use x', DeprecationWarning)
        warn_as('strl_mmdet3d.models', 'y is deprecated', UserWarning)
        assert len(shown) == 3


def test_warnings_that_python_was_asked_for_are_shown(monkeypatch):
    monkeypatch.setattr(sys, 'warnoptions', ['default'])
    with warnings.catch_warnings(record=True) as shown:
        warnings.resetwarnings()
        hide_deprecations()
        warn_as('pkg_resources', 'use importlib', DeprecationWarning)
    assert len(shown) == 1


@pytest.mark.parametrize('tool', COMMAND_LINES)
def test_every_tool_loads_safely_before_it_reads_anything(tool, monkeypatch, tmp_path):
    def guard():
        raise StrlError('guarded')

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(safe_loading, 'load_safely', guard)
    with pytest.raises(SystemExit, match=r'^error: guarded$'):
        importlib.import_module(tool).main(COMMAND_LINES[tool])
    assert not list(tmp_path.iterdir())


def test_an_environment_that_does_not_fit_is_a_sentence(monkeypatch):
    class Refusing:
        """Stands for the package's check of the versions."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == 'strl_mmdet3d.errors':
                raise ImportError('strl_mmdet3d cannot run in this environment:\n  numpy 2.0 is installed')

    monkeypatch.delitem(sys.modules, 'strl_mmdet3d.errors')
    monkeypatch.setattr(sys, 'meta_path', [Refusing, *sys.meta_path])
    with pytest.raises(SystemExit, match=r'^error: strl_mmdet3d cannot run .*\n.*numpy 2\.0'), foreseen_errors():
        pass


def test_what_a_terminal_would_obey_is_shown_as_text():
    """The name of a file may hold escape sequences, which could hide the error or write to the clipboard."""
    with pytest.raises(SystemExit, match=r'^error: ') as ending, foreseen_errors():
        raise ConfigError('no config at a\x1b[2J\x07\x9b.py:\nname another\r\t')
    assert ending.value.code == 'error: no config at a\\x1b[2J\\x07\\x9b.py:\nname another'
