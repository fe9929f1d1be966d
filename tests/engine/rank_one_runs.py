"""Runs whose projector knows one direction: `test_collapse_monitor_hook.py` makes them on one rank and starts two."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size
from tiny import tiny_runner, tiny_strl
from torch import nn

from strl_mmdet3d.engine.distributed import leave_ranks, use_ranks_without_gpu
from strl_mmdet3d.engine.hooks.collapse_monitor_hook import CollapseError
from strl_mmdet3d.evaluation.representation import measure_rank


@MODELS.register_module(force=True)
class RankOneMLP(nn.Sequential):
    """A projector through a single channel: its projections differ in one direction, whatever it learns."""

    def __init__(self, in_channels: int, out_channels: int, normalize: bool):
        super().__init__(
            nn.Linear(in_channels, 32, bias=False),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.Linear(32, 1, bias=False),
            nn.Linear(1, out_channels, bias=False),
        )
        if normalize:
            self.append(nn.BatchNorm1d(out_channels, affine=False))


def tell_rank_one(folder: Path, batch: int, normalize: bool) -> int:
    """Train with a projector of one direction, and return the iteration at which that is told; 60 if it is not."""
    projector = dict(type='RankOneMLP', in_channels=16, out_channels=32, normalize=normalize)
    predictor = dict(type='ProjectionMLP', in_channels=32, hidden_channels=32, out_channels=32)
    runner = tiny_runner(
        folder,
        model=tiny_strl(projector=projector, predictor=predictor),
        launcher='pytorch' if get_world_size() > 1 else 'none',
        model_wrapper_cfg=dict(type='STRLDistributedDataParallel'),
        train_dataloader=dict(
            batch_size=batch,
            num_workers=0,
            dataset=dict(type='RandomPairs', length=4 * batch * get_world_size()),
            sampler=dict(type='PairSampler'),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='PretrainLoop', max_epochs=15),
        # The rank alone: such a projector's spread is low too, at times.
        custom_hooks=[
            dict(type='TargetUpdateHook'),
            dict(type='CollapseMonitorHook', stop=True, min_spread=0, interval=5),
        ],
        default_hooks=dict(checkpoint=None),
    )
    try:
        runner.train()
    except CollapseError:
        return runner.iter + 1
    return runner.iter


if __name__ == '__main__':
    use_ranks_without_gpu(Config(dict(launcher='pytorch')))
    told: dict = dict(iteration=tell_rank_one(Path(sys.argv[1]), batch=4, normalize=True))
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(size, 32, generator=generator) for size in (3, 5, 2)]
    told['pooled'] = measure_rank([batches[:1] if get_rank() == 0 else batches[1:]])
    print(json.dumps(told))
    leave_ranks()
