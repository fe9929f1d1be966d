"""Runs on two ranks with a part that no gradient reaches: `test_untrained_parts_on_ranks.py` starts it by torchrun."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.model import is_model_wrapper
from test_untrained_parts_hook import HOOK_TYPES, make_runner
from tiny_pyramid import pyramid_detector, pyramid_strl

from strl_mmdet3d.engine.distributed import leave_ranks, use_ranks_without_gpu
from strl_mmdet3d.export import UNTRAINED_KEY

WRAPPER = Config.fromfile(Path(__file__).parents[2] / 'configs/_base_/pretrain.py').model_wrapper_cfg


def plane_prediction() -> dict:
    """A pre-training whose step is mmengine's: torch's wrapper averages the gradients, and not `STRL`."""
    encoder = dict(type='DetectorEncoder', detector=pyramid_detector(), feature='0')
    heads = dict(occupancy=dict(type='OccupancyHead'))
    return dict(type='PlanePrediction', encoder=encoder, in_channels=16, heads=heads, patch=2.0)


def run(folder: Path, model: dict, wrapper: dict, accumulate: int = 1) -> dict:
    """Train for 4 iterations on each rank, and return what this rank knows then."""
    names = [name for name in HOOK_TYPES if name != 'TargetUpdateHook' or 'predictor' in model]
    runner = make_runner(
        folder,
        model=model,
        epochs=2,
        accumulate=accumulate,
        experiment_name=folder.name,
        launcher='pytorch',
        model_wrapper_cfg=dict(wrapper),
        custom_hooks=[dict(type=name) for name in names],
    )
    assert is_model_wrapper(runner.model)
    runner.train()
    state = runner.model.module.online_encoder.detector.state_dict()
    return dict(
        iterations=runner.iter,
        untrained=runner.message_hub.get_info(UNTRAINED_KEY),
        trained={name: tensor.clone() for name, tensor in state.items() if name.endswith('weight')},
    )


if __name__ == '__main__':
    use_ranks_without_gpu(Config(dict(launcher='pytorch')))
    out = Path(sys.argv[1])
    runs: dict = dict(
        strl=run(out / 'strl', pyramid_strl(), WRAPPER, accumulate=2),
        plane=run(out / 'plane', plane_prediction(), WRAPPER, accumulate=2),
    )
    model = pyramid_strl(type='STRLInTurns', turns=[1], ranks=[1])
    runs['one_rank'] = run(out / 'one_rank', model, WRAPPER)
    try:
        run(out / 'stopped', plane_prediction(), WRAPPER | dict(find_unused_parameters=False))
    except RuntimeError as error:
        runs['stopped'] = str(error)
    torch.save(runs, out / f'rank_{get_rank()}.pt')
    leave_ranks()
