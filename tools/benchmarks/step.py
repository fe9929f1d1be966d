"""One step of the training: against the bare trunk's passes, in time and memory; the target's update; the optimizer."""

from __future__ import annotations

import copy
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from torch import nn
from torch.profiler import ProfilerActivity
from train import enable_amp

from strl_mmdet3d.datasets import PairKey
from strl_mmdet3d.models.strl import byol_loss

from .data import CONFIGS, dataset_of, pairs_of
from .peers import LARS, LightlyBYOL, lightly_update_momentum
from .timing import Row, compare, interleaved, judged, not_run, threads

BARE = "limit: the trunk's passes alone"

KINDS = {
    'PointNet': ('pointnet_shapenet_pretrain', 'shapes', 48),
    'VoteNet': ('votenet_scannet_pretrain', 'depth', 4),
    'PV-RCNN 3D backbone': ('pvrcnn_kitti_pretrain', 'lidar', 2),
}
"""What is pre-trained -> its config, the folder of its data, the batch on a CPU (PointNet's is the config's own)."""

GPU_BATCHES = (32, 64, 128, 256)
MOST_REPEATS = 2
"""Timed steps of an option: bfloat16 may take minutes a step, and no goal depends on it."""
OF_STEP = 'all operations of the step'
"""The peer of the rows of the profile."""


def on_gpu() -> bool:
    """Whether the steps are made on a GPU."""
    return torch.cuda.is_available()


class Pretraining:
    """A pre-training on one batch that stays the same.

    Args:
        config_name: Its config.
        folder: The data.
        batch: Pairs in a batch.
        amp: Whether it is trained as with `tools/train.py --amp`.
    """

    def __init__(
        self,
        config_name: str,
        folder: Path,
        batch: int,
        amp: bool = False,
    ) -> None:
        config = Config.fromfile(CONFIGS / f'{config_name}.py')
        if amp:
            enable_amp(config)
        window = dict(window=2) if folder.name == 'lidar' else {}
        dataset = dataset_of(config_name, folder, **window)
        self.data = pseudo_collate([dataset[PairKey(0, epoch, 0)] for epoch in range(batch)])
        self.device = 'cuda' if on_gpu() else 'cpu'
        self.model = MODELS.build(config.model).to(self.device).train()
        # Both sides start behind the preprocessor, which is the detector's own.
        self.views = views = self.model.data_preprocessor(self.data, True)
        self.model.data_preprocessor.forward = lambda data, training: views
        self.config = config
        self.optimizer = build_optim_wrapper(self.model, config.optim_wrapper)

    def step(self) -> None:
        """Make a whole step, the update of the target included."""
        self.model.train_step(self.data, self.optimizer)
        self.model.update_target(0.996)
        synchronize()

    def bare(self) -> None:
        """Make the bare trunk's passes in a step's order: two forward without gradient, two forward and backward."""
        trunk = self.model.online_encoder
        with torch.no_grad():
            for view in self.views.values():
                self.model.target_encoder(view)
        for view in self.views.values():
            trunk(view).sum().backward()
        trunk.zero_grad(set_to_none=True)
        synchronize()

    def heads(self) -> None:
        """Make the heads' passes, which the method adds to the trunk's: the loss and its gradient, of vectors."""
        clouds, width = len(self.views['view_1']['points']), self.config.model.projector.in_channels
        for _ in self.views:
            vectors = torch.randn(clouds, width, device=self.device, requires_grad=True)
            with torch.no_grad():
                projections = self.model.target_projector(vectors)
            byol_loss(self.model.predictor(self.model.online_projector(vectors)), projections).backward()
        self.model.zero_grad(set_to_none=True)
        synchronize()

    def lightly(self) -> Callable[[], None]:
        """Return the step of lightly's BYOL around trunks and with an optimizer like these."""
        width = self.config.model.projector.in_channels
        trunks = copy.deepcopy(self.model.online_encoder), copy.deepcopy(self.model.target_encoder)
        byol = LightlyBYOL(*trunks, width).to(self.device).train()
        optimizer = build_optim_wrapper(byol, self.config.optim_wrapper).optimizer

        def step() -> None:
            byol.step(self.views, optimizer)
            synchronize()

        return step


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if on_gpu():
        torch.cuda.synchronize()


def peak(config_name: str, folder: str, batch: int, side: str) -> float:
    """Return the peak memory, in MB, of two runs of `Pretraining.step` or `.bare`, beyond what was there before.

    Call it in a process of its own, where no memory of earlier runs is left to be used again.
    """
    init_default_scope('mmdet3d')  # in a new process the registries are empty still
    function = getattr(Pretraining(config_name, Path(folder), batch), side)
    if on_gpu():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        function(), function()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    Path('/proc/self/clear_refs').write_text('5')  # sets the peak back to what there is
    before = resident_peak()
    function(), function()
    return resident_peak() - before


def resident_peak() -> float:
    """Return this process's peak of resident memory in MB; unlike getrusage's, it is not that of who started it."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) / 2**10


def step_rows(root: Path, repeats: int) -> list[Row]:
    """Time a step of each kind, and take its peak memory; on a GPU at several batches, and by its share and rate."""
    rows = []
    for name, (config, folder, batch) in KINDS.items():
        if not on_gpu():
            rows += rows_of_batch(name, config, root / folder, batch, repeats)
            sizes = f'{GPU_BATCHES[0]}-{GPU_BATCHES[-1]}'
            rows.append(not_run(f'training step on a GPU, {name}, batch {sizes}', BARE, 'no GPU'))
            continue
        for size in GPU_BATCHES:
            try:
                rows += rows_of_batch(name, config, root / folder, size, 4 * repeats)
            except torch.cuda.OutOfMemoryError:
                rows.append(not_run(f'training step, {name}, batch {size}', BARE, 'more memory than the GPU has'))
            torch.cuda.empty_cache()
    return rows


def rows_of_batch(name: str, config: str, folder: Path, batch: int, repeats: int) -> list[Row]:
    """Return the rows of one kind of pre-training at one batch."""
    what = f'training step, {name}, batch {batch}'
    made, lightly = Pretraining(config, folder, batch), "lightly's BYOL structure"
    sides, missing = {'ours': made.step, BARE: made.bare}, []
    try:
        sides[lightly] = made.lightly()
    except ImportError as error:
        missing = [not_run(what, lightly, error)]
    # All in turn: a step may take ten seconds, and a machine become slower meanwhile.
    times = interleaved(sides, repeats)
    ours, bare = times.pop('ours'), times[BARE]
    rows = [judged(what, name, ours, theirs, most=1.03 if name == BARE else 1) for name, theirs in times.items()]
    rows += missing
    rows.append(Row(f'{what}, outside the trunk', 'of the whole', ours - bare, ours))
    heads = interleaved(dict(heads=made.heads), repeats)['heads']
    rows.append(Row(f'{what}, passes of the heads', 'of the whole', heads, ours))
    rows.append(Row(f'{what}, time a pair', BARE, ours / batch, bare / batch))
    peaks = []
    for side in ('step', 'bare'):
        with multiprocessing.get_context('spawn').Pool(1) as pool:
            peaks.append(pool.apply(peak, (config, str(folder), batch, side)))
    # The heads' and the trunk's gradients, and the optimizer's momentum, are made by the first step.
    parameters = 2 * sum(p.nbytes for p in made.model.parameters() if p.requires_grad) / 2**20
    met = peaks[0] <= 1.1 * peaks[1] + parameters
    rows.append(Row(f'{what}, peak memory', BARE, *peaks, 'MB', f'<= 1.1 x + {parameters:.0f} MB', met))
    return rows


def profile_rows(root: Path, repeats: int) -> list[Row]:
    """Take each operation's own time in one step of each kind, by torch's profiler; those of a hundredth and more."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu() else [])]
    rows = []
    for name, (config, folder, batch) in KINDS.items():
        batch = GPU_BATCHES[0] if on_gpu() else batch
        made = Pretraining(config, root / folder, batch)
        made.step()
        with torch.profiler.profile(activities=activities) as profiler:
            made.step()
        times = {
            event.key: (event.self_device_time_total if on_gpu() else event.self_cpu_time_total) / 1e3
            for event in profiler.key_averages()
        }
        whole = sum(times.values())
        rows += [
            Row(f'{name}, batch {batch}: {key}', OF_STEP, spent, whole)
            for key, spent in sorted(times.items(), key=lambda item: -item[1])
            if spent >= whole / 100
        ]
    return rows


def option_rows(root: Path, repeats: int) -> list[Row]:
    """Time the options that are off by default against the default. None is a goal: they are other mathematics."""
    rows = []
    for name, (config, folder, batch) in KINDS.items():
        batch = 2 * batch if on_gpu() else batch
        made = {
            option: Pretraining(config, root / folder, batch, **changes)
            for option, changes in {'default': {}, '--amp': dict(amp=True)}.items()
        }
        if name == 'PointNet':  # the trunks of detectors are compiled in parts, or not at all: docs/performance.md
            made['compile=True'] = compiled = Pretraining(config, root / folder, batch)
            compiled.model.train_step = torch.compile(compiled.model.train_step)
        times = interleaved({option: each.step for option, each in made.items()}, min(repeats, MOST_REPEATS))
        default = times.pop('default')
        rows += [
            Row(f'{option}: step, {name}, batch {batch}', 'default', time, default) for option, time in times.items()
        ]
    return rows + cache_rows(root, repeats)


def cache_rows(root: Path, repeats: int) -> list[Row]:
    """Time the RGB-D pair of frames that are in the cache of decoded ones."""
    folder = root / 'depth'
    pipeline = Config.fromfile(CONFIGS / 'votenet_scannet_pretrain.py').train_dataloader.dataset.pipeline
    pipeline.load[0].cache_dir = str(root / 'decoded')
    with threads(1):
        dataset = dataset_of('votenet_scannet_pretrain', folder, pipeline=pipeline)
        for index in range(len(dataset)):  # each frame is a key frame once, and decoded for the cache
            dataset[PairKey(0, 0, index)]
        cached = pairs_of('votenet_scannet_pretrain', folder, pipeline=pipeline)
        default = pairs_of('votenet_scannet_pretrain', folder)
        return compare('decoded frames kept: RGB-D pair', cached, {'default': default}, 8 * repeats)


def target_rows(repeats: int) -> list[Row]:
    """Time the target's update of PV-RCNN against a loop over the state dict, and against others' averages."""
    model = MODELS.build(Config.fromfile(CONFIGS / 'pvrcnn_kitti_pretrain.py').model)
    online = nn.ModuleList([model.online_encoder, model.online_projector])
    target = nn.ModuleList([model.target_encoder, model.target_projector])
    average = ExponentialMovingAverage(copy.deepcopy(online), momentum=0.004)
    average.update_parameters(online)  # its first call only copies

    def loop() -> None:
        theirs, mine = online.state_dict(), target.state_dict()
        for name, tensor in mine.items():
            mine[name] = 0.996 * tensor + 0.004 * theirs[name]
        target.load_state_dict(mine)

    what, ours = 'target update, PV-RCNN 3D backbone', lambda: model.update_target(0.996)
    rows = compare(what, ours, {'a loop over the state dict': loop}, 20 * repeats, most=1 / 20)
    rows += compare(
        what, ours, {'mmengine ExponentialMovingAverage': lambda: average.update_parameters(online)}, 20 * repeats, 1
    )
    flat = [torch.cat([p.detach().flatten() for p in side.parameters()]) for side in (target, online)]
    limit = {'limit: one average over as many numbers in one piece': lambda: flat[0].lerp_(flat[1], 0.004)}
    rows += compare(what, ours, limit, 20 * repeats)
    try:
        update_momentum = lightly_update_momentum()
    except ImportError as error:
        return [*rows, not_run(what, 'lightly update_momentum', error)]
    return rows + compare(
        what, ours, {'lightly update_momentum': lambda: update_momentum(online, target, 0.996)}, 20 * repeats, 1
    )


def optimizer_rows(repeats: int) -> list[Row]:
    """Time a step of the recipes' LARS on PointNet's online network, against others' LARS."""
    what = 'LARS step, PointNet and heads'
    config = Config.fromfile(CONFIGS / 'pointnet_shapenet_pretrain.py')
    model = MODELS.build(config.model)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter) if parameter.requires_grad else None
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    ours = build_optim_wrapper(model, config.optim_wrapper).optimizer
    rows = []
    settings = dict(lr=0.2, momentum=0.9, weight_decay=1.5e-6)
    for name, load in LARS.items():
        try:
            other = load()(parameters, **settings)
        except (ImportError, TypeError) as error:
            rows.append(not_run(what, name, error))
            continue
        rows += compare(what, ours.step, {name: other.step}, 10 * repeats, most=1)
    return rows
