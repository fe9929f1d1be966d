"""VoteNet's step on a CPU by settings of the memory, in processes of their own: the settings count from a start."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from mmengine.registry import init_default_scope

import strl_mmdet3d  # noqa: F401 - registers what the config names

from .step import KINDS, Pretraining, on_gpu, resident_peak
from .timing import Row, not_run

WHAT, PEER = 'memory', "torch's own settings"
LARGE_PAGES = dict(THP_MEM_ALLOC_ENABLE='1')
KEPT = dict(MALLOC_MMAP_MAX_='0', MALLOC_TRIM_THRESHOLD_='100000000000')
SETTINGS: dict[str, dict[str, str]] = {
    PEER: {},
    'pages of 2 MB, as tools/train.py sets': LARGE_PAGES,
    'pages of 2 MB, and glibc keeps what is freed': LARGE_PAGES | KEPT,
}
"""Name -> environment variables."""

KIND = 'VoteNet'
MOST_STEPS = 3
"""Steps timed in a process: the settings differ by far more than steps do."""


def memory_rows(root: Path, repeats: int) -> list[Row]:
    """Time the step with each setting, and take the peak memory of its process, against torch's own settings."""
    if on_gpu():
        return [not_run(f'{WHAT}: step, {KIND}', PEER, 'the step is made on the GPU')]
    config, folder, batch = KINDS[KIND]
    what = f'step, {KIND}, batch {batch}'
    found = {
        name: in_process(settings, config, root / folder, batch, min(repeats, MOST_STEPS))
        for name, settings in SETTINGS.items()
    }
    (theirs_ms, theirs_mb), rows = found.pop(PEER), []
    for name, (milliseconds, megabytes) in found.items():
        rows.append(Row(f'{WHAT}: {what}, {name}', PEER, milliseconds, theirs_ms))
        rows.append(Row(f'{WHAT}: peak of the process, {name}', PEER, megabytes, theirs_mb, unit='MB'))
    return rows


def in_process(settings: dict[str, str], config: str, folder: Path, batch: int, steps: int) -> tuple[float, float]:
    """Return what `measure` finds in a new process with some settings, and no others of the memory."""
    cleared = {name: value for name, value in os.environ.items() if name not in LARGE_PAGES | KEPT}
    command = [sys.executable, '-m', 'benchmarks.memory', config, str(folder), str(batch), str(steps)]
    tools = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, cwd=tools, env=cleared | settings, stdout=subprocess.PIPE, text=True, check=True)
    milliseconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    return milliseconds, megabytes


def measure(config: str, folder: Path, batch: int, steps: int) -> tuple[float, float]:
    """Return the median of some steps in milliseconds, after a warm-up, and the peak memory of this process in MB."""
    init_default_scope('mmdet3d')
    made, times = Pretraining(config, folder, batch), []
    for _ in range(steps + 1):
        start = time.perf_counter()
        made.step()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:]), resident_peak()


if __name__ == '__main__':
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
