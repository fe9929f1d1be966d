"""Pre-training ended at random moments and resumed, by the commands a user gives, ends as if it never was.

By default few kills of a small model. STRL_KILLS=20 makes twenty of it, three of two ranks, and twenty of a LiDAR
detector at its real size; from 5 on, the detector is in.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import create_sequence_index
import numpy as np
import pytest
import simulate_data
import torch

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[1]
KILLS = int(os.environ.get('STRL_KILLS', 2))
KILLS_OF_RANKS = 3 if KILLS >= 20 else 1
EPOCHS, SHAPES, BATCH = 4, 40, 4  # 40 iterations
SCANS = 20  # in two drives as long as the window; 20 iterations
OPTIONS = [
    f'train_cfg.max_epochs={EPOCHS}',
    f'train_dataloader.batch_size={BATCH}',
    'default_hooks.checkpoint.interval=3',
    'default_hooks.checkpoint.by_epoch=False',
    'default_hooks.logger.interval=1',
]
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FAMILIES = ['shapes', 'lidar'] if KILLS >= 5 else ['shapes']


@dataclass(frozen=True)
class Run:
    """What a test trains: a config, where its data lies, how many iterations that makes, and what makes it small."""

    config: str
    environment: dict[str, str]
    iterations: int
    smaller: tuple[str, ...] = ()


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    root = tmp_path_factory.mktemp('shapes')
    points = np.random.default_rng(0).normal(size=(SHAPES, 2048, 3)).astype(np.float32)
    np.savez(root / 'shapes.npz', points=points)
    create_sequence_index.main(['shapes', '--root', str(root), '--out', str(root / 'sequences.json')])
    environment = dict(SHAPENET_ROOT=str(root))
    heads = ('model.projector.hidden_channels=64', 'model.predictor.hidden_channels=64')
    smaller = ('train_dataloader.dataset.pipeline.pack.0.num_points=256', *heads)
    return Run('configs/strl/pointnet_shapenet_pretrain.py', environment, EPOCHS * SHAPES // BATCH, smaller)


@pytest.fixture(scope='module')
def lidar(tmp_path_factory):
    root = tmp_path_factory.mktemp('drives') / 'kitti'
    size = ['--drives', '2', '--frames-per-drive', str(SCANS // 2), '--train', '2', '--val', '2', '--test', '1']
    simulate_data.main(['kitti', '--out', str(root), *size])
    create_sequence_index.main(
        ['kitti-raw', '--root', str(root / 'raw'), '--out', str(root / 'raw' / 'sequences.json')]
    )
    environment = dict(KITTI_RAW_ROOT=str(root / 'raw'))
    return Run('configs/strl/pointpillars_kitti_pretrain.py', environment, EPOCHS * SCANS // BATCH)


def start(run: Run, work_dir: Path, ranks: int = 1, restarts: int = 0, workers: int = 1) -> subprocess.Popen:
    """Give the command: always the same up to the number of workers, and `--resume` is what a second try adds."""
    arguments = [run.config, '--work-dir', str(work_dir), '--resume', '--cfg-options', *OPTIONS, *run.smaller]
    arguments += [f'train_dataloader.batch_size={BATCH // ranks}', f'train_dataloader.num_workers={workers}']
    arguments += [f'train_dataloader.persistent_workers={workers > 0}']
    if ranks == 1:
        command = [sys.executable, 'tools/train.py', *arguments]
    else:
        command = ['tools/dist_train.sh', arguments[0], str(ranks), *arguments[1:]]
    port = str(random.randint(20000, 60000))
    environment = os.environ | run.environment
    environment |= dict(OMP_NUM_THREADS='1', PYTHON=sys.executable, PORT=port, MAX_RESTARTS=str(restarts))
    log = (work_dir.parent / f'{work_dir.name}.log').open('ab')
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, start_new_session=True)


def finish(process: subprocess.Popen, work_dir: Path) -> None:
    code = process.wait(timeout=600)
    assert code == 0, (work_dir.parent / f'{work_dir.name}.log').read_text()[-3000:]


def losses(work_dir: Path) -> dict[int, float]:
    """The loss of each iteration as the logs of all sessions have it, the later session's where there are two."""
    found = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:  # the line that the kill cut off
                continue
            if 'loss' in row:
                found[row['step']] = row['loss']
    return found


def encoder(work_dir: Path) -> dict:
    return torch.load(work_dir / 'encoder.pth', weights_only=True)['state_dict']


def assert_same_run(run: Run, one: Path, other: Path) -> None:
    assert sorted(losses(one)) == list(range(1, run.iterations + 1))
    assert losses(one) == losses(other)
    mine, theirs = encoder(one), encoder(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def wait_for(condition, process: subprocess.Popen) -> None:
    """Wait until something is seen, or the process has ended."""
    deadline = time.monotonic() + 300
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


def kill_group(process: subprocess.Popen) -> None:
    """Kill the process and its workers at once, as the end of a machine does."""
    with suppress(ProcessLookupError):  # it has just ended by itself
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def end(process: subprocess.Popen, number: signal.Signals, work_dir: Path) -> None:
    """End the run: all its processes at once by SIGKILL, or as Slurm and Ctrl-C do, which leaves it time to save."""
    if number == signal.SIGKILL:
        kill_group(process)
        return
    with suppress(ProcessLookupError):
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    process.wait(timeout=600)
    text = (work_dir.parent / f'{work_dir.name}.log').read_text()
    if f'{number.name} ended the run' in text.splitlines()[-1]:
        saved = int(re.search(r'after iteration (\d+), which is saved', text.splitlines()[-1])[1])
        assert list(work_dir.glob(f'iter_{saved}.pth')), 'nothing of the step in hand is lost'


@pytest.mark.parametrize('family', FAMILIES)
def test_a_run_killed_again_and_again_ends_as_one_that_was_not(family, tmp_path, request):
    run = request.getfixturevalue(family)
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    began = time.monotonic()
    undisturbed = start(run, whole)
    wait_for(lambda: losses(whole), undisturbed)
    to_first = time.monotonic() - began
    finish(undisturbed, whole)
    training = time.monotonic() - began - to_first

    rng = random.Random(0)
    alive = 0
    for number in range(KILLS):
        process = start(run, killed, workers=rng.choice([0, 1, 2]))
        # From half of the time that starting takes, to where on average all kills together leave one run's length.
        time.sleep(rng.uniform(0.5 * to_first, to_first + 1.5 * training / KILLS))
        alive += process.poll() is None
        end(process, SIGNALS[number % len(SIGNALS)], killed)
    assert alive
    finish(start(run, killed), killed)
    assert_same_run(run, whole, killed)
    print(f'{family}: {alive} of {KILLS} ended in the middle')


def test_ranks_that_torchrun_starts_again_end_as_those_that_were_not_killed(shapes, tmp_path):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    finish(start(shapes, whole, ranks=2), whole)
    rng = random.Random(1)
    process = start(shapes, killed, ranks=2, restarts=KILLS_OF_RANKS)
    for number in range(KILLS_OF_RANKS):
        before = max(losses(killed), default=0)
        after = before + rng.randint(1, 40 // (KILLS_OF_RANKS + 1) - 3)
        wait_for(lambda after=after: max(losses(killed), default=0) >= after, process)
        ranks = subprocess.run(
            ['pgrep', '-f', f'train.py .*--work-dir {killed}'], capture_output=True, text=True, check=True
        ).stdout.split()
        ranks = [int(pid) for pid in ranks if int(pid) != process.pid and is_rank(int(pid))]
        assert ranks, number
        os.kill(rng.choice(ranks), signal.SIGKILL)
        time.sleep(2)
    finish(process, killed)
    assert_same_run(shapes, whole, killed)


def is_rank(pid: int) -> bool:
    """Tell a rank from the launcher and from the workers of its dataloader."""
    try:
        environment = Path(f'/proc/{pid}/environ').read_bytes().split(b'\0')
        parent = int(Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[1])
        return (
            any(word.startswith(b'LOCAL_RANK=') for word in environment)
            and b'torch.distributed.run' in Path(f'/proc/{parent}/cmdline').read_bytes()
        )
    except (FileNotFoundError, ProcessLookupError):
        return False
