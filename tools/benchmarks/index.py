"""A sequence index of ten million frames: how long it takes to open, and what it takes in memory."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from strl_mmdet3d.datasets import FrameSequence, PairKey, TemporalPairDataset, write_sequence_index
from strl_mmdet3d.datasets.frame_table import write_frame_table

from .timing import Row, interleaved, judged

FRAMES, FEW, A_DRIVE = 10_000_000, 10_000, 1000
MOST_SECONDS, MOST_MEGABYTES = 2, 500

# In a process of its own, with four workers that look at frames all over the index.
PROBE = """
import os, signal, sys
import numpy as np
from strl_mmdet3d.datasets import PairKey, TemporalPairDataset

WORKERS = 4

def megabytes():
    lines = open('/proc/self/smaps_rollup').read().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith('Pss:')) / 1024

dataset = TemporalPairDataset(sys.argv[1], sys.argv[2], pipeline=[lambda pair: pair])
ready, go, said = os.pipe(), os.pipe(), os.pipe()
workers = []
for number in range(WORKERS):
    worker = os.fork()
    if worker == 0:
        for item in np.random.default_rng(number).integers(len(dataset), size=20000).tolist():
            dataset[PairKey(0, 0, item)]
        os.write(ready[1], b'.')
        os.read(go[0], 1)  # pages are counted while all share them
        os.write(said[1], b'%12.3f' % megabytes())
        signal.pause()
    workers.append(worker)
for _ in workers:
    os.read(ready[0], 1)
total = megabytes()
for _ in workers:
    os.write(go[1], b'.')
    total += float(os.read(said[0], 12))
for worker in workers:
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
print(total)
"""


def write_index(root: Path, frames: int) -> Path:
    """Write an index of drives of a thousand scans; three of the scans are there, as the dataset looks for them."""
    path = root / f'{frames}.json'
    drives = [
        FrameSequence(
            f'2011_09_{drive:05d}_drive_sync',
            [f'2011_09/2011_09_{drive:05d}_drive_sync/velodyne_points/data/{n:010d}.bin' for n in range(A_DRIVE)],
        )
        for drive in range(frames // A_DRIVE)
    ]
    write_sequence_index(path, dict(load_dim=4), drives)
    write_frame_table(path, dict(load_dim=4), drives)
    for drive in (drives[0], drives[-1]):
        for frame in (drive.frames[0], drive.frames[-1]):
            (root / frame).parent.mkdir(parents=True, exist_ok=True)
            (root / frame).touch()
    return path


def memory_of(path: Path, root: Path) -> float:
    """Return the memory, in MB, of a process with an open index and four workers, shared pages counted once."""
    command = [sys.executable, '-c', PROBE, str(path), str(root)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def index_rows(root: Path, repeats: int) -> list[Row]:
    """Open an index of ten million frames and one of ten thousand."""
    many, few = write_index(root, FRAMES), write_index(root, FEW)

    def opened(path: Path) -> TemporalPairDataset:
        return TemporalPairDataset(str(path), str(root), pipeline=[lambda pair: pair])

    start = time.perf_counter()
    large = opened(many)
    first = time.perf_counter() - start
    rows = [
        Row(
            'index of 10 million frames, opening it',
            'one of 10 thousand',
            1e3 * first,
            interleaved(dict(few=lambda: opened(few)), repeats)['few'],
            goal=f'<= {MOST_SECONDS} s',
            met=first <= MOST_SECONDS,
        )
    ]
    draws = {}
    for name, dataset in (('ours', large), ('few', opened(few))):
        items = itertools.cycle(np.random.default_rng(0).integers(len(dataset), size=20_000).tolist())
        draws[name] = lambda dataset=dataset, items=items: [dataset[PairKey(0, 0, next(items))] for _ in range(2000)]
    medians = interleaved(draws, repeats)
    what = 'the same, 2000 items without loading'
    rows.append(judged(what, 'one of 10 thousand', medians['ours'], medians['few'], most=1.1))
    small = memory_of(few, root)
    used = memory_of(many, root)
    rows.append(
        Row(
            'the same, memory of the process and 4 workers',
            'one of 10 thousand',
            used,
            small,
            unit='MB',
            goal=f'<= {MOST_MEGABYTES} MB more',
            met=used - small <= MOST_MEGABYTES,
        )
    )
    return rows
