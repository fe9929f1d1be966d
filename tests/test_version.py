"""The checks that importing the package runs."""

from __future__ import annotations

from importlib import metadata

import pytest

from strl_mmdet3d.version import REQUIRED, __version__, check_versions


def test_this_environment_fits_and_the_metadata_agrees():
    check_versions()
    assert metadata.version('strl_mmdet3d') == __version__


def test_what_is_missing_is_told_with_the_command():
    with pytest.raises(ImportError, match=r'no-such-package is not installed; it needs >=1.0,<2.0: pip install it'):
        check_versions({'no-such-package': ('1.0', '2.0', 'pip install it')})


@pytest.mark.parametrize('bounds', [('99', '100'), ('0', '0.1')])
def test_what_does_not_fit_is_told_with_what_is_there(bounds):
    found = metadata.version('numpy')
    with pytest.raises(ImportError, match=f'numpy {found} is installed; it needs >={bounds[0]},<{bounds[1]}: fix it'):
        check_versions({'numpy': (*bounds, 'fix it')})


def test_all_problems_are_told_at_once():
    wrong = dict.fromkeys(REQUIRED, ('99', '100', 'x'))
    with pytest.raises(ImportError, match='cannot run in this environment') as said:
        check_versions(wrong)
    assert all(name in str(said.value) for name in REQUIRED)


def test_a_local_label_and_the_upper_bound(monkeypatch):
    monkeypatch.setattr(metadata, 'version', lambda package: '2.1.0+cu118')
    check_versions({'mmcv': ('2.1.0', '2.2', 'x')})
    monkeypatch.setattr(metadata, 'version', lambda package: '2.2.0')
    with pytest.raises(ImportError, match=r'mmcv 2\.2\.0 is installed; it needs >=2\.1\.0,<2\.2: x'):
        check_versions({'mmcv': ('2.1.0', '2.2', 'x')})
