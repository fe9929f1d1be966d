"""One step of the training: against the bare trunk's passes, in time and memory; the target's update; the optimizer."""

from __future__ import annotations

import copy
import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from torch import nn

from strl_mmdet3d.datasets import PairKey

from .data import CONFIGS, dataset_of
from .timing import Row, compare, not_run

KINDS = {
    'PointNet': ('pointnet_shapenet_pretrain', 'shapes', 16),
    'VoteNet': ('votenet_scannet_pretrain', 'depth', 4),
    'PV-RCNN 3D backbone': ('pvrcnn_kitti_pretrain', 'lidar', 2),
}
"""What is pre-trained -> its config, the folder of its data, the batch."""


def make_step(config_name: str, folder: Path, batch: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Build a pre-training.

    Args:
        config_name: Its config.
        folder: The data.
        batch: Pairs in a batch.

    Returns:
        A function that makes a whole step on one batch, update of the target included; and one that makes the bare
        trunk's passes, two forward and backward and two forward without gradient.
    """
    config = Config.fromfile(CONFIGS / f'{config_name}.py')
    changes = dict(window=2) if folder.name == 'lidar' else {}
    dataset = dataset_of(config_name, folder, **changes)
    data = pseudo_collate([dataset[PairKey(0, epoch, 0)] for epoch in range(batch)])
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model = MODELS.build(config.model).to(device).train()
    # Both sides start behind the preprocessor, which is the detector's own.
    views = model.data_preprocessor(data, True)
    model.data_preprocessor.forward = lambda data, training: views
    optimizer = build_optim_wrapper(model, config.optim_wrapper)
    trunk = model.online_encoder

    def step() -> None:
        model.train_step(data, optimizer)
        model.update_target(0.996)
        synchronize()

    def bare() -> None:
        for view in views.values():
            trunk(view).sum().backward()
            with torch.no_grad():
                trunk(view)
        trunk.zero_grad(set_to_none=True)
        synchronize()

    return step, bare


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak(config_name: str, folder: str, batch: int, side: int) -> float:
    """Give the peak memory, in MB, of two steps (side 0) or of the bare passes (side 1), beyond what was there before.

    Call it in a process of its own: the peak of a process cannot be set back.
    """
    function = make_step(config_name, Path(folder), batch)[side]
    if torch.cuda.is_available():
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        function(), function()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    function(), function()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10


def step_rows(root: Path, repeats: int) -> list[Row]:
    """Time a step of each kind, and take its peak memory."""
    rows = []
    for name, (config, folder, batch) in KINDS.items():
        what = f'training step, {name}, batch {batch}'
        step, bare = make_step(config, root / folder, batch)
        rows += compare(what, step, {"limit: the trunk's passes alone": bare}, repeats, most=1.03)
        del step, bare
        sides = []
        for side in (0, 1):
            with multiprocessing.get_context('spawn').Pool(1) as pool:
                sides.append(pool.apply(_peak, (config, str(root / folder), batch, side)))
        model = MODELS.build(Config.fromfile(CONFIGS / f'{config}.py').model)
        # The heads' and the trunk's gradients, and the optimizer's momentum, are made by the first step.
        parameters = 2 * sum(p.nbytes for p in model.parameters() if p.requires_grad) / 2**20
        goal = '<= 1.1 x + gradients and momentum'
        met = sides[0] <= 1.1 * sides[1] + parameters
        rows.append(Row(f'{what}, peak memory', "limit: the trunk's passes alone", *sides, 'MB', goal, met))
    return rows


def _peak(*arguments: object) -> float:
    """`peak` in a new process, where the registries are empty still."""
    from mmengine.registry import init_default_scope

    init_default_scope('mmdet3d')
    return peak(*arguments)  # type: ignore[arg-type]


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
    try:
        from lightly.models.utils import update_momentum
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
    for name, load in OTHER_LARS.items():
        try:
            other = load()(parameters, **settings)
        except (ImportError, TypeError) as error:
            rows.append(not_run(what, name, error))
            continue
        rows += compare(what, ours.step, {name: other.step}, 10 * repeats, most=1)
    return rows


def _pytorch_optimizer() -> type:
    """Import it."""
    from pytorch_optimizer import LARS

    return LARS


def _lightly() -> type:
    """Import it."""
    from lightly.utils.lars import LARS

    return LARS


def _mmpretrain() -> type:
    """Import it."""
    from mmpretrain.engine.optimizers import LARS

    return LARS


OTHER_LARS = {'pytorch-optimizer LARS': _pytorch_optimizer, 'lightly LARS': _lightly, 'mmpretrain LARS': _mmpretrain}
