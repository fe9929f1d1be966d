"""Simulated KITTI, prepared as a user would prepare the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mmdet3d


def create_data(root: Path) -> None:
    """Run mmdet3d's ``create_data.py kitti``, as shipped, on labelled frames in KITTI's detection layout."""
    shipped = Path(mmdet3d.__file__).parent / '.mim'
    # The script pauses for 5 s before each of four files; its arguments are those of mmdet3d's documentation.
    code = (
        'import runpy, sys, time; time.sleep = lambda seconds: None; '
        f'sys.argv = ["create_data.py", "kitti", "--root-path", {str(root)!r}, "--out-dir", {str(root)!r}, '
        '"--extra-tag", "kitti", "--with-plane"]; '
        f'runpy.run_path({str(shipped / "tools" / "create_data.py")!r}, run_name="__main__")'
    )
    subprocess.run(
        [sys.executable, '-c', code], check=True, cwd=root.parent, env={**os.environ, 'PYTHONPATH': str(shipped)}
    )
