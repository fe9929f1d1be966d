"""Finds the parts of the encoder that no gradient reaches."""

from __future__ import annotations

from typing import Any

from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from ...export import (
    PREFIX,
    UNTRAINED_KEY,
    detector_in,
    is_part_of,
    parts_with_sizes,
    recorded_untrained,
    untrained_parts,
)
from ...mmengine_internals import is_resumed, loaded_from
from ..unwrapping import unwrapped_model

ADVICE = (
    'They stay as initialised, and an export leaves them out. To train them, let the encoder read a feature that '
    'depends on them (model.encoder.feature); to drop them, leave them out of model.encoder.trunk'
)


@HOOKS.register_module()
class UntrainedPartsHook(Hook):
    """Name the parts of the detector's trunk that no gradient reaches, and record them for the export.

    The feature that is pooled need not depend on all of a trunk: not on the levels of a pyramid beside it, nor on a
    decoder behind it. Such parts keep the values that they were initialised with. The log names them after the first
    optimizer step, as modules with their sizes. They are the parameters that require a gradient and have none (None);
    a gradient of 0 is one.

    The hook goes on to look at each step: a part that has a gradient in some steps only is trained, and the log says
    from when on. Parameters that are frozen, or that ``load_from`` has brought from a pre-training that trained them,
    are not named. All ranks find the same, because they exchange their gradients before a step.

    Each checkpoint records the parts in its meta, so an export and a resumed run know them. A checkpoint from before
    the first step records none.

    A step takes some microseconds more, and nothing once a gradient has reached every parameter.
    """

    def __init__(self) -> None:
        self.pretrained: set[str] = set()  # parameters that a checkpoint has brought trained
        self.waiting: dict[str, nn.Parameter] = {}  # parameters that no gradient has reached so far
        self.told: set[str] | None = None  # the names of those that this session's log has told of
        self.parts: list[str] | None = None
        self.stepped = False

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take over what the run that wrote the checkpoint has found.

        Raises:
            ExportError: If the checkpoint's record is damaged.
        """
        recorded = recorded_untrained(checkpoint.get('meta', {}), str(loaded_from(runner)))
        if is_resumed(runner):
            self.parts = recorded
            if recorded is None:  # it is of an earlier version, or from before the first step: look again
                return
        names = [name.removeprefix(PREFIX) for name in checkpoint.get('state_dict', {}) if name.startswith(PREFIX)]
        self.pretrained = {name for name in names if not is_part_of(name, recorded or [])}

    def before_train(self, runner: Runner) -> None:
        """Look at the gradients of each optimizer step."""
        runner.message_hub.update_info(UNTRAINED_KEY, self.parts, resumed=False)
        detector = detector_in(unwrapped_model(runner))
        if detector is not None:
            parameters = detector.named_parameters(remove_duplicate=False)
            self.waiting = {name: each for name, each in parameters if name not in self.pretrained}
            # After the step the gradients are gone. A step that overflows in float16 does not get here.
            self.handle = runner.optim_wrapper.optimizer.register_step_pre_hook(self._look)

    def _look(self, *step: Any) -> None:
        """Forget the parameters that have a gradient, just before the optimizer makes a step."""
        waiting = self.waiting.items()
        self.waiting = {name: each for name, each in waiting if each.grad is None and each.requires_grad}
        self.stepped = True

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Name what the first step has left without a gradient, and what a later step has reached after all."""
        if not self.stepped or self.waiting.keys() == self.told:
            return
        detector: nn.Module = unwrapped_model(runner).online_encoder.detector
        sizes = {name: parameter.numel() for name, parameter in detector.named_parameters(remove_duplicate=False)}
        self.parts = untrained_parts(list(sizes), self.waiting)
        if self.told is not None:
            reached = parts_with_sizes(untrained_parts(list(sizes), self.told - self.waiting.keys()), detector)
            named = ', '.join(reached)
            runner.logger.info(f'iteration {runner.iter + 1} trains these parts of the encoder, too: {named}')
        elif self.parts:
            share = sum(parameter.numel() for parameter in self.waiting.values()) / sum(sizes.values())
            named = ''.join(f'\n  {part}' for part in parts_with_sizes(self.parts, detector))
            runner.logger.warning(
                f'no gradient reaches these parts of the encoder, {share:.1%} of its parameters:{named}\n{ADVICE}'
            )
        self.told = set(self.waiting)
        runner.message_hub.update_info(UNTRAINED_KEY, self.parts, resumed=False)
        if not self.waiting:
            self.handle.remove()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the parts into the checkpoint's meta."""
        if self.parts is not None:
            checkpoint['meta'][UNTRAINED_KEY] = self.parts
