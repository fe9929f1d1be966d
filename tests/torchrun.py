"""A script on several ranks of this machine, by torchrun."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch


def on_ranks(script: str, folder: Path, *arguments: str, ranks: int = 2, **environment: str) -> list[dict]:
    """Run a script of the tests with a folder and arguments; what it leaves in ``rank_N.pt`` there, for each rank."""
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', f'--nproc_per_node={ranks}']
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    paths += filter(None, [os.environ.get('PYTHONPATH')])  # an empty part would be the working directory
    environment = os.environ | dict(PYTHONPATH=os.pathsep.join(paths), OMP_NUM_THREADS='1') | environment
    command += [script, str(folder), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f'rank_{rank}.pt', weights_only=True, map_location='cpu') for rank in range(ranks)]
