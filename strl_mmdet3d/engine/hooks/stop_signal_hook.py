"""Ends a run at SIGTERM or SIGINT after the step in hand, with a checkpoint of it."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

import torch
from mmdet3d.registry import HOOKS
from mmengine.device import get_device
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...errors import StrlError
from .checkpoint_hook import WholeCheckpointHook

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StoppedError(StrlError, RuntimeError):
    """A signal has ended the run. The message names the checkpoint from which it goes on."""


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Save a checkpoint when the system or the user asks the run to end, as Slurm does at its time limit.

    The first signal lets the optimizer finish its step; a second one ends the process at once. With several ranks, all
    stop after the same step. A loop that cannot continue in the middle of an epoch, as mmengine's own, saves nothing:
    its last checkpoint is where it goes on.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def before_train(self, runner: Runner) -> None:
        """Listen to the signals, if the run is in the main thread; Python allows it nowhere else."""
        self.received, self._process = None, os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in SIGNALS}

    def after_train(self, runner: Runner) -> None:
        """Listen no more."""
        self._restore()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """End the run if any rank has received a signal and the step is whole.

        Raises:
            StoppedError: Naming the checkpoint.
        """
        if not self._any_received() or not runner.optim_wrapper.should_update():
            return
        self._restore()
        if runner.iter + 1 >= runner.max_iters:
            return  # the run is at its end
        name = signal.Signals(self.received or signal.SIGTERM).name
        saving = next((hook for hook in runner.hooks if isinstance(hook, WholeCheckpointHook)), None)
        if saving is None or not getattr(runner.train_loop, 'resumes_anywhere', False):
            raise StoppedError(
                f'{name} ended the run after iteration {runner.iter + 1}: continue from its last checkpoint by --resume'
            )
        path = saving.write_now(runner)
        raise StoppedError(
            f'{name} ended the run after iteration {runner.iter + 1}, which is saved in {path}: continue by --resume'
        )

    def _receive(self, number: int, frame: FrameType | None) -> None:
        """Note the signal, and let a second one have its usual effect."""
        if os.getpid() != self._process:  # a worker of the data loader, which has inherited this
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return  # Ctrl-C reaches the workers too, and the step in hand may need one more batch
        self.received = number
        self._restore()
        # A logger might be in the middle of a line.
        os.write(
            2, f'{signal.Signals(number).name}: the run ends after this step, once more ends it at once\n'.encode()
        )

    def _restore(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _any_received(self) -> bool:
        """Return whether a rank has received a signal."""
        if get_world_size() == 1:
            return self.received is not None
        flag = torch.tensor(float(self.received is not None), device=get_device())
        all_reduce(flag, op='max')
        return bool(flag)
