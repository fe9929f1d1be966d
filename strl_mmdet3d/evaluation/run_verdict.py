"""What the numbers of a finished pre-training say, in a sentence, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..export.loaded_points import first_of, steps_of
from .run_log import ABANDONED, Curves

COLLAPSED = 'the projections have collapsed'
"""How `CollapseMonitorHook` calls it."""

HOOKS = dict(collapse='CollapseMonitorHook', weights_moved='WeightsMovedHook')
"""The default hooks whose thresholds count."""

AGAINST_COLLAPSE = (
    'Lower the learning rate or warm it up for longer, raise tau_start of TargetUpdateHook, or take larger batches; '
    'see "Is it learning?" in docs/running.md.'
)


@dataclass(frozen=True)
class Verdict:
    """A verdict.

    Attributes:
        sentence: What the numbers say.
        next_steps: What to do now; texts.
        good: Whether nothing speaks against the run; None if that is doubtful, or nothing can be said.
    """

    sentence: str
    next_steps: list[str]
    good: bool | None


def judge(curves: Curves, warnings: Mapping[str, int], config: Mapping[str, Any]) -> Verdict:
    """Judge a run by the thresholds of its hooks. No number of the run itself can prove that it has learned.

    Args:
        curves: The logged scalars.
        warnings: Message -> how often it was logged.
        config: The run's config.
    """
    last = {name: curve[max(curve)] for name, curve in curves.items()}
    if 'loss' not in last:
        return Verdict('No loss was logged, so nothing can be said about the run.', ['Look into the log.'], None)
    loss = curves['loss']
    iterations = f'{max(map(max, curves.values())):,} iterations'  # not all are logged at the last one
    if not math.isfinite(last['loss']):
        step = first_of_last_stretch(loss)
        return Verdict(
            f'The run has failed: from iteration {step:,} on, the loss is not finite.',
            ['Lower optim_wrapper.optimizer.lr, or warm it up for longer, and begin again from an earlier checkpoint.'],
            good=False,
        )
    monitor, moved_hook = hook_of(config, 'collapse'), hook_of(config, 'weights_moved')
    spread, rank, moved = (last.get(name, math.nan) for name in ('spread', 'effective_rank', 'weights_moved'))
    warned = any(COLLAPSED in message and not message.startswith(ABANDONED) for message in warnings)
    narrow = rank < monitor.get('min_rank', 1.5)
    if spread < monitor.get('min_spread', 0.3) or (warned and narrow):
        return Verdict(
            f'The run has collapsed: at the end of {iterations} the projections of different clouds are nearly the '
            f'same (spread {spread:.2f}, effective rank {rank:.1f}).',
            ['Do not use this encoder.', AGAINST_COLLAPSE],
            good=False,
        )
    if moved < moved_hook.get('least', 0.05):
        return Verdict(
            f'The run has hardly changed the encoder: in {iterations} its weights have moved by {moved:.1%} of their '
            'norm.',
            [hardly_moved_advice(str(((config.get('optim_wrapper') or {}).get('optimizer') or {}).get('type', '')))],
            good=False,
        )
    finite = {step: value for step, value in loss.items() if math.isfinite(value)}
    first, fell = finite[min(finite)], last['loss'] < finite[min(finite)]
    facts = [f'the loss {"fell" if fell else "went"} from {first:.3g} to {last["loss"]:.3g}']
    if math.isfinite(spread):
        directions = f' in {rank:.1f} directions' if math.isfinite(rank) else ''
        facts.append(
            f'the projections differ from cloud to cloud{directions} (spread {spread:.2f}; 0, or 1 direction, would be '
            'collapse)'
        )
    if math.isfinite(moved):
        facts.append(f'the weights have moved by {moved:.0%} of their norm')
    if warned:
        return Verdict(
            f'The run is doubtful: for a while its projections had collapsed, see the warnings. In {iterations} '
            f'{", ".join(facts)}.',
            ['Do not rely on this encoder before it was compared with training from scratch.', AGAINST_COLLAPSE],
            good=None,
        )
    doubts = [
        f'{len(loss) - len(finite)} of its {len(loss):,} logged losses are not finite' * (len(finite) < len(loss)),
        'its loss has not fallen' * (len(finite) > 1 and not fell),
        f'its projections have hardly more than one direction at the end (effective rank {rank:.1f})' * narrow,
    ]
    if any(doubts):
        return Verdict(
            f'The run is doubtful: {", and ".join(filter(None, doubts))}. In {iterations} {", ".join(facts)}.',
            ['Look at the curves. Do not rely on this encoder before it was compared with training from scratch.'],
            good=None,
        )
    return Verdict(
        f'Nothing speaks against this run: in {iterations} {", ".join(facts)}. Whether the encoder helps, these '
        'numbers cannot tell.',
        after_training(config),
        good=True,
    )


def first_of_last_stretch(loss: Mapping[int, float]) -> int:
    """Return from which step on a loss, not finite at its end, was never finite again."""
    finite = [step for step, value in loss.items() if math.isfinite(value)]
    return min(step for step in loss if not finite or step > max(finite))


def hook_of(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the settings of one of our default hooks, wherever a config has it; an empty dict if nowhere."""
    default = (config.get('default_hooks') or {}).get(name)
    others = [hook for hook in config.get('custom_hooks') or () if hook.get('type') == HOOKS[name]]
    return default or next(iter(others), {})


def hardly_moved_advice(optimizer: str) -> str:
    """Say what to do if the weights have hardly moved.

    Args:
        optimizer: The class of the optimizer.
    """
    advice = 'Train for more iterations (train_cfg.max_epochs), or raise optim_wrapper.optimizer.lr'
    if 'LARS' in optimizer:
        advice += (
            ', or take AdamW (configs/_base_/recipes/strl_adamw.py): a step of LARS is at most lr * trust_coefficient '
            'of a layer, without momentum'
        )
    return f'{advice}.'


def after_training(config: Mapping[str, Any]) -> list[str]:
    """Say how to find out whether the encoder of a run helps: a detector, or a classifier of shapes."""
    encoder = Path(config.get('work_dir') or 'WORK_DIR') / 'encoder.pth'
    data = (config.get('train_dataloader') or {}).get('dataset') or {}
    if first_of(list(steps_of(data.get('pipeline'))), 'LoadShape') is not None:
        helps = f'Does it help, in minutes? python tools/linear_probe.py DOWNSTREAM_CONFIG {encoder}'
    else:
        helps = (
            f'Does it help a detector? python tools/evaluate_pretraining.py DOWNSTREAM_CONFIG --checkpoint '
            f'strl={encoder} --out work_dirs/does_it_help --labels 5 20 100'
        )
    return [helps, f'To fine-tune: a config of configs/downstream with load_from={encoder}']
