"""Short runs for the tests of ranks: the tests make them without ranks, torchrun starts this file on one or two.

They take the GPU if torch sees one.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.dist import get_backend, get_rank, get_world_size, init_dist, is_distributed
from mmengine.hooks import Hook
from mmengine.runner import find_latest_checkpoint
from tiny import tiny_runner, tiny_strl
from torch import nn

from strl_mmdet3d.engine.distributed import use_ranks_without_gpu
from strl_mmdet3d.models.strl import STRL

GLOBAL_BATCH, LENGTH, EPOCHS = 4, 13, 2  # 13 pairs: of the second rank, one is a repeated one
# The wrappers of `tools/train.py --amp`. float16's dynamic scale begins where no step overflows and is left out.
MIXED = (
    dict(type='AmpOptimWrapper', loss_scale=dict(init_scale=1024.0))
    if torch.cuda.is_available()
    else dict(type='BFloat16OptimWrapper')
)


class KilledError(Exception):
    """Stands for the end of all ranks."""


class Watch(Hook):
    """Keeps what happens on this rank; ends the run where asked to, before the checkpoint of that iteration."""

    priority = 'ABOVE_NORMAL'

    def __init__(self, die_after: int | None):
        self.die_after = die_after
        self.seen: dict[str, list] = dict(loss=[], gradient=[], pairs=[], target=[])

    def before_train(self, runner):
        def keep(optimizer, args, kwargs):
            parameters = [p for group in optimizer.param_groups for p in group['params'] if p.grad is not None]
            self.seen['gradient'].append(torch.cat([p.grad.flatten() for p in parameters]))

        runner.optim_wrapper.optimizer.register_step_pre_hook(keep)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        model = getattr(runner.model, 'module', runner.model)
        self.seen['loss'].append(outputs['loss'].item())
        self.seen['pairs'] += [points.sum().item() for points in data_batch['view_1']['inputs']['points']]
        self.seen['target'].append(torch.cat([p.flatten().clone() for p in model.target_encoder.parameters()]))
        if runner.iter == self.die_after:
            raise KilledError


def without_batchnorm(model: nn.Module) -> None:
    """Replace every BatchNorm: it takes the statistics of a rank's own pairs, by which two ranks differ from one."""
    for name, child in model.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(model, name, nn.Identity())
        else:
            without_batchnorm(child)


@MODELS.register_module(force=True)
class STRLWithoutBatchNorm(STRL):
    """Each pair by itself."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        without_batchnorm(self)


def run(folder: Path, batchnorm=True, accumulate=1, amp=False, sync_bn=None, die_after=None, resume=False) -> dict:
    """Train on however many ranks there are, with the same global batch."""
    runner = tiny_runner(
        folder,
        epochs=EPOCHS,
        experiment_name=folder.name + str(resume),
        model=tiny_strl(type='STRL' if batchnorm else 'STRLWithoutBatchNorm'),
        launcher='pytorch' if is_distributed() else 'none',
        sync_bn=sync_bn,
        model_wrapper_cfg=dict(type='STRLDistributedDataParallel'),
        optim_wrapper=dict(
            **(MIXED if amp else dict(type='OptimWrapper')),
            optimizer=dict(type='SGD', lr=0.05, momentum=0.9),
            accumulative_counts=accumulate,
        ),
        train_dataloader=dict(
            batch_size=GLOBAL_BATCH // get_world_size(),
            num_workers=0,
            drop_last=True,
            dataset=dict(type='RandomPairs', length=LENGTH),
            sampler=dict(type='PairSampler'),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(type='PretrainLoop', max_epochs=EPOCHS),
        default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook', interval=1, by_epoch=False)),
    )
    if resume:
        runner._resume, runner._load_from = True, find_latest_checkpoint(str(folder))
    watch = Watch(die_after)
    runner.register_hook(watch)
    with suppress(KilledError):
        runner.train()
    model = getattr(runner.model, 'module', runner.model)
    return watch.seen | dict(state=model.state_dict())


RUNS: dict[str, dict] = dict(
    plain=dict(batchnorm=False),
    accumulated=dict(batchnorm=False, accumulate=2),
    amp=dict(batchnorm=False, amp=True),
    whole=dict(accumulate=2, amp=True),
    synced=dict(sync_bn='torch'),  # on GPUs only
)


def all_runs(folder: Path) -> dict[str, dict]:
    """Make the runs that the tests without a GPU compare."""
    runs = {name: run(folder / name, **RUNS[name]) for name in ('plain', 'accumulated', 'amp', 'whole')}
    run(folder / 'killed', **RUNS['whole'], die_after=4)
    return runs | dict(resumed=run(folder / 'killed', **RUNS['whole'], resume=True))


if __name__ == '__main__':
    if torch.cuda.is_available():
        init_dist('pytorch')
    else:
        use_ranks_without_gpu(Config(dict(launcher='pytorch')))
    out, names = Path(sys.argv[1]), sys.argv[2:]
    runs = {name: run(out / name, **RUNS[name]) for name in names} if names else all_runs(out)
    torch.save(runs | dict(backend=get_backend()), out / f'rank_{get_rank()}.pt')
