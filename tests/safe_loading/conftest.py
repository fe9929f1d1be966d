"""Every test here reads with the guards on."""

from __future__ import annotations

import pytest

from strl_mmdet3d.safe_loading import load_safely


@pytest.fixture(autouse=True)
def _safely():
    load_safely()
