"""Ends a run at SIGTERM or SIGINT after the step in hand, with a checkpoint of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
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

REPEATED_FOR = 3.0
"""Seconds in which a signal counts as the first one come twice: torchrun and Slurm each send it to all processes."""


class StoppedError(StrlError, RuntimeError):
    """A signal has ended the run. The message names the checkpoint from which it goes on."""


@HOOKS.register_module()
class StopSignalHook(Hook):
    """Save a checkpoint when the system or the user asks the run to end, as Slurm does at its time limit.

    The first signal lets the optimizer finish its step; a second one, some seconds later, ends the process at once.
    With several ranks, all stop after the same step. The workers of the data loaders go on until then, though the
    system sends the signal to them, too. A loop that cannot continue in the middle of an epoch, as mmengine's own,
    saves nothing: its last checkpoint is where it goes on.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.received: int | None = None
        self._received_at = 0.0
        self._before: dict[int, Any] = {}

    def before_train(self, runner: Runner) -> None:
        """Listen to the signals, if the run is in the main thread; Python allows it nowhere else."""
        self.received, self._process = None, os.getpid()
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in SIGNALS}
            for loop in (runner.train_loop, runner.val_loop):
                if loop is not None and hasattr(signal, 'sigwaitinfo'):  # macOS has none
                    loop.dataloader.worker_init_fn = partial(outlive_sigterm, loop.dataloader.worker_init_fn)

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
        if runner.iter + 1 >= runner.max_iters:
            return  # the run is at its end
        try:
            self._stop(runner)
        finally:
            self._restore()

    def _stop(self, runner: Runner) -> None:
        """Save a checkpoint if the loop can continue from it, and raise a StoppedError."""
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
        if self.received is not None:
            if time.monotonic() - self._received_at > REPEATED_FOR:
                self._restore()
                signal.raise_signal(number)
            return
        self.received, self._received_at = number, time.monotonic()
        name = signal.Signals(number).name
        said = f'{name}: the run ends after this step, once more after {REPEATED_FOR:g} s ends it at once\n'
        os.write(2, said.encode())  # a logger might be in the middle of a line

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


def outlive_sigterm(init: Callable[[int], None] | None, worker: int) -> None:
    """Initialise a worker of a data loader, which only its parent may then end by SIGTERM.

    torch's own handler, which is set by now, lets the worker die of anyone's, and its death ends the run in the middle
    of a step.

    Args:
        init: The worker's other initialisation.
        worker: Its number.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    threading.Thread(target=_wait_for_parent, daemon=True).start()
    if init is not None:
        init(worker)


def _wait_for_parent() -> None:
    """End the process once its parent sends SIGTERM. Python passes a handler no sender, so a thread waits."""
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():
        pass
    os._exit(0)
