"""mmengine's private members: each exists, and one file alone touches them."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import mmengine.dataset
import mmengine.hooks
import mmengine.logging
import mmengine.model
import mmengine.optim
import mmengine.runner
import pytest
from mmengine.config import ConfigDict

from strl_mmdet3d.mmengine_internals import PRIVATE_MEMBERS, plain

ROOM = Path('strl_mmdet3d/mmengine_internals.py')
SOURCES = [path for folder in ('strl_mmdet3d', 'tools', 'configs') for path in Path(folder).rglob('*.py')]
MODULES = (
    mmengine.dataset,
    mmengine.hooks,
    mmengine.logging,
    mmengine.model,
    mmengine.optim,
    mmengine.runner,
)


def private(name: str) -> bool:
    return name.startswith('_') and not name.startswith('__')


def attributes(tree: ast.AST) -> set[str]:
    """The private names that a source reads, sets or defines."""
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    methods = {
        item.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for item in node.body
        if isinstance(item, ast.FunctionDef)
    }
    return {name for name in names | methods if private(name)}


def members(cls: type) -> set[str]:
    """The private names of a class of mmengine: its methods, and what its methods set on self."""
    return {name for part in cls.__mro__ if part.__module__.startswith('mmengine') for name in names_of(part)}


def names_of(cls: type) -> set[str]:
    tree = ast.parse(inspect.cleandoc('\n' + inspect.getsource(cls)))
    return attributes(tree)


CLASSES = [
    cls
    for module in MODULES
    for name, cls in inspect.getmembers(module, inspect.isclass)
    if cls.__module__.startswith('mmengine')
]
OF_MMENGINE = {name: cls.__name__ for cls in CLASSES for name in members(cls)}


@pytest.mark.parametrize(
    ('cls', 'name'), [(cls, name) for cls, names in PRIVATE_MEMBERS.items() for name in names], ids=str
)
def test_each_private_member_still_exists(cls, name):
    assert name in members(cls), f'this mmengine has no {cls.__name__}.{name}: adapt {ROOM}'


def test_the_table_names_all_that_the_file_touches():
    touched = attributes(ast.parse(ROOM.read_text()))
    assert touched == {name for names in PRIVATE_MEMBERS.values() for name in names}


@pytest.mark.parametrize('path', [path for path in SOURCES if path != ROOM], ids=str)
def test_no_other_file_touches_any(path):
    found = attributes(ast.parse(path.read_text())) & set(OF_MMENGINE)
    assert not found, f'{path} touches {", ".join(f"{OF_MMENGINE[name]}.{name}" for name in sorted(found))}'


def test_metainfo_is_plain_at_any_depth():
    """A data set of segmentation, trained, saved and resumed: tests/test_s3dis_chain.py."""
    meta = plain(ConfigDict(classes=('a',), inner=[ConfigDict(seg=dict(b=1))], palette=[[0, 1]]))
    assert meta == dict(classes=('a',), inner=[dict(seg=dict(b=1))], palette=[[0, 1]])
    assert type(meta) is type(meta['inner'][0]) is type(meta['inner'][0]['seg']) is dict
