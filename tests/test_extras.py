"""The error for an optional dependency that is not installed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from strl_mmdet3d.errors import StrlError
from strl_mmdet3d.extras import EXTRAS, MissingExtraError, extra

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(('name', 'module'), [(name, module) for name in EXTRAS for module in EXTRAS[name]])
def test_a_missing_module_names_itself_and_the_pip_command(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    said = rf"^{module} is not installed.*pip install 'strl_mmdet3d\[{name}\]'"
    with pytest.raises(MissingExtraError, match=said) as caught, extra(name):
        __import__(module)
    assert isinstance(caught.value, StrlError)
    assert isinstance(caught.value, ImportError)


def test_a_missing_submodule_names_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    with pytest.raises(MissingExtraError, match=r'^matplotlib is not installed'), extra('vis'):
        import matplotlib.figure  # noqa: F401


@pytest.mark.parametrize('module', ['no_such_module', 'strl_mmdet3d.no_such_module', 'sklearn_of_another_name'])
def test_a_module_of_no_extra_stays_a_module_not_found_error(module):
    with pytest.raises(ModuleNotFoundError, match=module), extra('probe'):
        __import__(module)


def test_a_module_of_another_extra_stays_a_module_not_found_error(monkeypatch):
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    with pytest.raises(ModuleNotFoundError, match='sklearn'), extra('vis'):
        import sklearn  # noqa: F401


def test_other_errors_pass_and_nothing_happens_without_one():
    with extra('vis'):
        pass
    with pytest.raises(ZeroDivisionError, match='division by zero'), extra('vis'):
        _ = 1 / 0


def test_an_unknown_extra_is_refused():
    with pytest.raises(KeyError, match='colour'), extra('colour'):
        pass


def test_the_extras_are_those_of_the_package():
    packages = {'scikit-learn': 'sklearn', 'kiss-icp': 'kiss_icp', 'pyarrow<22': 'pyarrow'}
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    for name, modules in EXTRAS.items():
        (listed,) = re.findall(rf"'{name}': \[(.*?)\]", setup)
        assert [packages.get(package, package) for package in re.findall(r"'([^']+)'", listed)] == list(modules)
