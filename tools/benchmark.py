"""Compare what pre-training adds with what it cannot do without, each pair of rows in one run.

A row is ours, its peer and their ratio, medians over interleaved runs. Nothing is downloaded and no data is needed.

Example:
    python tools/benchmark.py --out benchmark.json
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.hub import get_config
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from strl_mmdet3d.datasets import FrameSequence, PairKey, write_sequence_index

PRETRAIN = Path(__file__).resolve().parents[1] / 'configs' / 'strl' / 'pvrcnn_kitti_pretrain.py'
STOCK = 'mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py'
POINTS = 120_000
"""Points in a scan, as in KITTI's."""


def interleaved(ours: Callable[[], object], peer: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Time two functions in turn, after one warm-up of each.

    Args:
        ours: Our side.
        peer: What it is compared with.
        repeats: How many times each is timed.

    Returns:
        The medians of both, in seconds.
    """
    ours(), peer()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for side, function in enumerate((ours, peer)):
            start = time.perf_counter()
            function()
            seconds[side].append(time.perf_counter() - start)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def write_scans(root: Path) -> None:
    """Write a sequence of two scans with KITTI's number of points, spread over PV-RCNN's range and around it."""
    rng = np.random.default_rng(0)
    frames = ['s/0.bin', 's/1.bin']
    (root / 's').mkdir()
    for frame in frames:
        distance = np.abs(rng.normal(0, 20, POINTS)) + 2
        angle = rng.uniform(0, 2 * np.pi, POINTS)
        columns = [distance * np.cos(angle), distance * np.sin(angle), rng.uniform(-2, 1, POINTS), rng.random(POINTS)]
        np.stack(columns, axis=1).astype(np.float32).tofile(root / frame)
    write_sequence_index(root / 'sequences.json', dict(load_dim=4), [FrameSequence('s', frames)])


def bench_pair(root: Path, repeats: int) -> tuple[float, float]:
    """A LiDAR pair, all augmentations, against mmdet3d's own KITTI training transforms on two frames."""
    config = Config.fromfile(PRETRAIN).train_dataloader.dataset
    config.update(data_root=str(root), ann_file='sequences.json', window=2)
    dataset = DATASETS.build(config)
    keys = iter(PairKey(seed=0, epoch=epoch, index=0) for epoch in range(10**6))
    # Without what needs labels: loading, flip, rotation and scale, range, shuffle and packing stay.
    labelled = ('LoadAnnotations3D', 'ObjectSample', 'ObjectNoise', 'ObjectRangeFilter')
    stages = [stage for stage in get_config(STOCK).train_pipeline if stage['type'] not in labelled]
    stages[-1]['keys'] = ['points']
    pipeline = Compose(stages)
    paths = [str(root / f's/{frame}.bin') for frame in (0, 1)]
    return interleaved(
        lambda: dataset[next(keys)],
        lambda: [pipeline(dict(lidar_points=dict(lidar_path=path, num_pts_feats=4))) for path in paths],
        repeats,
    )


def bench_step(root: Path, repeats: int) -> tuple[float, float]:
    """A training step of batch 2 against the bare trunk: two forward-backward passes, two without gradient."""
    config = Config.fromfile(PRETRAIN)
    config.train_dataloader.dataset.update(data_root=str(root), ann_file='sequences.json', window=2)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    pairs = [dataset[PairKey(0, 0, index)] for index in (0, 1)]
    model = MODELS.build(config.model).train()
    raw = {
        view: dict(inputs=dict(points=[pair[view]['inputs']['points'] for pair in pairs]), data_samples=None)
        for view in ('view_1', 'view_2')
    }
    views = model.data_preprocessor(raw, True)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)

    def step() -> None:
        wrapper.update_params(model(**views, mode='loss')['loss'])
        model.update_target(0.996)

    trunk = model.online_encoder

    def bare() -> None:
        for view in views.values():
            trunk(view).sum().backward()
            with torch.no_grad():
                trunk(view)
        trunk.zero_grad(set_to_none=True)

    return interleaved(step, bare, repeats)


def bench_target_update(repeats: int) -> tuple[float, float]:
    """The target update against mmengine's ExponentialMovingAverage on the same modules."""
    model = MODELS.build(Config.fromfile(PRETRAIN).model)
    online = torch.nn.ModuleList([model.online_encoder, model.online_projector])
    peer = ExponentialMovingAverage(copy.deepcopy(online), momentum=0.004)
    peer.update_parameters(online)  # its first call only copies
    return interleaved(lambda: model.update_target(0.996), lambda: peer.update_parameters(online), 10 * repeats)


def machine() -> dict[str, str | int]:
    """Describe where the figures were measured."""
    return dict(
        cpu=platform.processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else 'none: the GPU rows were not run',
        torch=torch.__version__,
        python=platform.python_version(),
    )


def main() -> None:
    """Run all rows, print the table, and write it where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, help='a JSON file for the table and the machine')
    parser.add_argument('--repeats', type=int, default=5, help='timed runs of each side of a row (default: 5)')
    args = parser.parse_args()
    init_default_scope('mmdet3d')
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_scans(root)
        rows = [
            (
                'LiDAR pair, 2 x 120k points',
                "mmdet3d's KITTI transforms, 2 frames",
                *bench_pair(root, 5 * args.repeats),
            ),
            (
                'training step, PV-RCNN 3D backbone, batch 2',
                "the trunk's passes alone",
                *bench_step(root, args.repeats),
            ),
            ('target update', 'mmengine ExponentialMovingAverage', *bench_target_update(args.repeats)),
        ]
    print(f'{"what":45} {"ours":>10} {"peer":>10} {"ratio":>6}  peer is')
    for what, peer_name, ours, peer in rows:
        print(f'{what:45} {ours * 1e3:7.1f} ms {peer * 1e3:7.1f} ms {ours / peer:6.2f}  {peer_name}')
    if args.out:
        table = [dict(what=w, peer=p, ours_s=o, peer_s=t, ratio=o / t) for w, p, o, t in rows]
        args.out.write_text(json.dumps(dict(machine=machine(), rows=table), indent=1) + '\n')


if __name__ == '__main__':
    main()
