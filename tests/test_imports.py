"""Imports run one way through the rooms, without a cycle; and importing the package changes what it says, no more."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = 'strl_mmdet3d'
# From the bottom up: a room imports its own modules and rooms before it. What stands in no room is at the bottom.
ROOMS = [
    'safe_loading',
    'ops',
    'datasets',
    'models',
    'export',
    'zoo',
    'evaluation',
    'engine',
    'new_config',
    'reproduction',
]
# Of `datasets`, from the bottom up.
SHELVES = ['readers', 'transforms']


def name_of(path: Path) -> str:
    return '.'.join(path.with_suffix('').parts).removesuffix('.__init__')


SOURCES = {name_of(path): path for path in Path(PACKAGE).rglob('*.py')}


def imports_of(name: str, path: Path) -> set[str]:
    """The package's own modules that a module imports, those within functions too, those for type checks not."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                parts = name.split('.') if path.name == '__init__.py' else name.split('.')[:-1]
                base = '.'.join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            # `from package import module` imports the module, `from module import function` the module that holds it.
            found |= {f'{base}.{alias.name}' if f'{base}.{alias.name}' in SOURCES else base for alias in node.names}
    return {module for module in found if module.split('.')[0] == PACKAGE} - {name}


GRAPH = {name: imports_of(name, path) for name, path in SOURCES.items()}


def room_of(name: str) -> str:
    parts = name.split('.')
    return parts[1] if len(parts) > 2 or (Path(PACKAGE) / parts[1]).is_dir() else 'bottom'


def level(room: str) -> int:
    return ROOMS.index(room) if room in ROOMS else -1


@pytest.mark.parametrize('name', sorted(set(SOURCES) - {PACKAGE}))
def test_imports_run_one_way(name):
    room = room_of(name)
    for module in GRAPH[name]:
        other = room_of(module) if module != PACKAGE else 'the package'
        assert other != 'the package', f'{name} imports the whole package'
        if room == 'simulation' or other == 'simulation':
            assert room == other or other == 'bottom', f'{name} imports {module}: the simulator stands apart'
        elif room != other:
            assert level(other) < level(room), f'{name} imports {module}: upwards'
        elif room == 'datasets':
            mine, theirs = (each.split('.')[2] if each.count('.') > 1 else '' for each in (name, module))
            if mine in SHELVES and theirs in SHELVES:
                assert SHELVES.index(theirs) <= SHELVES.index(mine), f'{name} imports {module}: upwards'


def test_no_module_imports_itself_through_others():
    list(TopologicalSorter({name: GRAPH[name] for name in SOURCES if name != PACKAGE}).static_order())


def test_the_rooms_are_all_there_are():
    folders = {path.name for path in Path(PACKAGE).iterdir() if (path / '__init__.py').is_file()}
    assert folders == {*ROOMS, 'simulation'}


def test_nothing_of_the_package_imports_the_tools():
    tools = {path.stem for path in Path('tools').iterdir()}
    for name, path in SOURCES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, 'level', 0):
                first = (getattr(node, 'module', None) or node.names[0].name).split('.')[0]
                assert first not in tools, f'{name} imports {first}'


def run(program: str) -> str:
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_importing_leaves_the_loads_of_others_as_they_were(tmp_path):
    """Another project's own pickle, mmengine's reader, torch's allow-list and the environment."""
    program = f"""
import fractions, os, pickle, mmengine, torch
import torch.distributed.tensor, mmdet3d.apis, mmdet3d.models  # they change the environment and the list
from mmengine.fileio.handlers import file_handlers
mine = r'{tmp_path}/mine.pkl'
with open(mine, 'wb') as file:
    pickle.dump(fractions.Fraction(1, 3), file)
before = dict(os.environ), type(file_handlers['pkl']), torch.serialization.get_safe_globals()
import strl_mmdet3d
after = dict(os.environ), type(file_handlers['pkl']), torch.serialization.get_safe_globals()
assert before == after
assert mmengine.load(mine) == fractions.Fraction(1, 3)
from strl_mmdet3d.safe_loading import UnsafePickleError, load_safely
load_safely()
try:
    mmengine.load(mine)
except UnsafePickleError:
    print('refused')
"""
    assert run(program).split()[-1] == 'refused'


def test_the_hook_switches_the_guards_on_as_it_is_built():
    program = """
from mmengine.fileio.handlers import file_handlers
import strl_mmdet3d
from mmdet3d.registry import HOOKS
HOOKS.build(dict(type='SafeLoadingHook'))
print(type(file_handlers['pkl']).__name__)
"""
    assert run(program).split()[-1] == 'PlainPickleHandler'
