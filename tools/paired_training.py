"""The runs of ``tools/evaluate_pretraining.py``: detectors from given weights, trained and tested."""

from __future__ import annotations

import copy
import gc
import io
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from itertools import islice
from pathlib import Path

import mmengine
import numpy as np
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.runner import Runner

from strl_mmdet3d.engine.console import QuietRunner
from strl_mmdet3d.engine.hooks.freeze_hook import FreezeHook
from strl_mmdet3d.engine.run_record import INITIAL_WEIGHTS, WITHOUT_EFFECT, flattened, record_of
from strl_mmdet3d.engine.unwrapping import unwrapped_model
from strl_mmdet3d.errors import ConfigError
from strl_mmdet3d.evaluation.detection.arms import State, start_of
from strl_mmdet3d.evaluation.detection.metrics import plain_numbers
from strl_mmdet3d.evaluation.detection.result_files import ResultFiles, RunKey, RunResult
from strl_mmdet3d.evaluation.detection.run_length import own_length, with_iterations
from strl_mmdet3d.evaluation.detection.subset_config import LabelSubsets, labelled_dataset
from strl_mmdet3d.export import compare_loaded
from strl_mmdet3d.export.class_defaults import name_of
from strl_mmdet3d.generators import seed_generators, seeded
from strl_mmdet3d.version import __version__

CALIBRATION_BATCHES = 32
"""Batches on which a random frozen trunk measures its BatchNorm statistics."""

TRIES = 5
"""How often each frame of a subset is augmented to find out whether an object of it stays in the detector's range."""


class UnformattedConfig(Config):
    """A config that mmengine writes into logs as it is: it formats it five times a run, which takes seconds."""

    @property
    def pretty_text(self) -> str:
        """The config as text."""
        return repr(self.to_dict())


class StartHook(Hook):
    """Give a run its initial weights and its random state, after everything else has drawn from the generators.

    Args:
        start: The state dict.
        key: The run.
        allow_different: Tensors of the trunk that a checkpoint need not hold.
    """

    priority = 'VERY_HIGH'

    def __init__(self, start: State, key: RunKey, allow_different: list[str]) -> None:
        self.start, self.key, self.allow_different = start, key, allow_different

    def before_train(self, runner: Runner) -> None:
        """Load the weights, prove that all of them have arrived, and seed.

        Raises:
            ConfigError: If a tensor has not arrived.
            ExportError: If a tensor of the checkpoint has not arrived.
        """
        model = unwrapped_model(runner)
        model.load_state_dict(self.start)
        lost = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor.cpu(), self.start[name])]
        if lost:
            raise ConfigError(f'{lost[0]} of {type(model).__name__} does not keep what is loaded: it cannot be paired')
        if self.key.arm.pretrained:
            pretrained = self.key.arm.pretrained
            compare_loaded(pretrained.exported, model, pretrained.source, self.allow_different)
        seed_generators(np.random.SeedSequence([self.key.seed]), gpus=True)


class ProgressHook(Hook):
    """Tell how far a run is, some hundred times.

    Args:
        tell: Takes the share of the training that is done, in [0, 1], and the words for it.
    """

    def __init__(self, tell: Callable[[float, str], None]) -> None:
        self.tell = tell

    def after_train_iter(self, runner: Runner, batch_idx: int, *_: object, **__: object) -> None:
        """Tell the iteration."""
        done, total = runner.iter + 1, runner.max_iters
        if self.every_n_train_iters(runner, max(1, total // 100)):
            self.tell(done / total, f'iteration {done:,} of {total:,}')

    def after_test_iter(self, runner: Runner, batch_idx: int, *_: object, **__: object) -> None:
        """Tell how much of the test is done."""
        self.tell(1.0, f'test {batch_idx + 1:,} of {len(runner.test_dataloader):,}')


class PairedTraining:
    """Trains and tests detectors that differ in their arm alone.

    Args:
        config: The downstream config.
        out: The output folder.
        iterations: The length of each run; None takes the config's own with all labels.
        keep_checkpoints: Whether each trained detector is kept, in ``checkpoints/``.

    Attributes:
        config: The config of the runs, without what belongs to one of them.
        iterations: The length of each run.
        allow_different: What the config's own VerifyLoadHook lets differ from a pre-training.
        subsets: The label subsets.

    Raises:
        ConfigError: If the config is not one of a detector that can be trained on parts of its labels.
    """

    def __init__(self, config: Config, out: Path, iterations: int | None, keep_checkpoints: bool = False) -> None:
        self.out, self.keep_checkpoints = out, keep_checkpoints
        gc.freeze()  # mmdet3d's KITTI metric collects garbage six times a test, over all that has been imported
        hooks = config.get('custom_hooks') or []
        if any(hook.get('type') == 'FreezeHook' for hook in hooks):
            raise ConfigError(
                f'{config.filename} freezes its trunk by FreezeHook in all arms: give the config without it, and the '
                'arms frozen and frozen-random by --arms'
            )
        if not (config.get('test_dataloader') and config.get('test_evaluator')):
            raise ConfigError(f'{config.filename} has no test_dataloader and test_evaluator: add them')
        verifying = [hook for hook in hooks if hook.get('type') == 'VerifyLoadHook']
        self.allow_different: list[str] = [name for hook in verifying for name in hook.get('allow_different', ())]
        self.config = copy.deepcopy(config)
        # The checkpoint is loaded and proved by the arms.
        self.config.custom_hooks = [hook for hook in self.config.get('custom_hooks') or [] if hook not in verifying]
        self.config.load_from, self.config.resume = None, False
        self.config.visualizer = None
        self.config.log_level = 'WARNING'
        self.config.default_hooks = {**(self.config.get('default_hooks') or {})} | dict(
            checkpoint=None, logger=None, visualization=None
        )
        self.subsets = LabelSubsets(self.config, out / 'labels')
        num_frames = len(self.subsets.frames)
        self.iterations = iterations or own_length(config, num_frames)[1]
        with_iterations(self.config, self.iterations, num_frames)

    def record(self) -> dict[str, str]:
        """Describe what all runs share."""
        plain = self.config.to_dict()
        tests = [pair for name in ('test_dataloader', 'test_evaluator') for pair in flattened(name, plain[name])]
        return record_of(self.config, ranks=1, without=WITHOUT_EFFECT - INITIAL_WEIGHTS) | dict(tests)

    def run(self, key: RunKey, results: ResultFiles, tell: Callable[[float, str], None]) -> RunResult:
        """Train and test a detector.

        Args:
            key: Which.
            results: Where its result will go.
            tell: See `ProgressHook`.

        Raises:
            StrlError: If the data or the checkpoint does not allow it.
        """
        begin = time.monotonic()
        config, frames, not_sampled = self.subsets.config_of(key.num_frames, key.seed)
        check_trainable(config, key.seed)
        loader = config.train_dataloader
        loader['sampler'] = dict(type='InfiniteSampler', shuffle=True, seed=key.seed)
        loader.pop('batch_sampler', None)
        loader['dataset'] = dict(type='SeededDraws', dataset=loader.dataset, seed=key.seed)
        config.randomness = dict(self.config.get('randomness') or {}, seed=key.seed)
        config.work_dir = str(self.out / 'work' / key.file.with_suffix('').relative_to(key.file.parts[0]))
        config.experiment_name = f'{key.arm.name}_{key.num_frames}_{key.seed}_{time.time_ns()}'
        shutil.rmtree(config.work_dir, ignore_errors=True)  # of a killed run
        start = start_of(key.arm, config, key.seed, training_batches(config, key.seed), self.allow_different)
        with redirect_stdout(io.StringIO()), without_bars():
            runner = QuietRunner.from_cfg(UnformattedConfig(config.to_dict()))
            runner.register_hook(StartHook(start, key, self.allow_different))
            runner.register_hook(ProgressHook(tell))
            if key.arm.frozen:
                runner.register_hook(FreezeHook(key.arm.frozen))
            runner.train()
            metrics = runner.test()
        if self.keep_checkpoints:
            folder = self.out / 'checkpoints' / key.file.parent.relative_to(key.file.parts[0])
            runner.save_checkpoint(str(folder), f'{key.arm.name}.pth', save_optimizer=False, by_epoch=False)
        for handler in [each for each in runner.logger.handlers if isinstance(each, logging.FileHandler)]:
            runner.logger.removeHandler(handler)  # the logger stays mmengine's current one until the next run
            handler.close()
        shutil.rmtree(config.work_dir, ignore_errors=True)
        return RunResult(
            settings=results.settings,
            arm=key.arm.name,
            checkpoint=key.arm.sha256,
            seed=key.seed,
            frames=frames,
            not_sampled=not_sampled,
            metrics=plain_numbers(metrics),
            seconds=round(time.monotonic() - begin, 1),
            software=dict(strl_mmdet3d=__version__, torch=str(torch.__version__), device=get_device()),
            frozen=[*key.arm.frozen],
        )


def check_trainable(config: Config, seed: int) -> None:
    """Refuse a subset without any object to learn from, on which mmdet3d's data set would search forever.

    Raises:
        ConfigError: If no frame keeps an object in the detector's range, or CBGSDataset cannot balance the classes.
    """
    with seeded(np.random.SeedSequence([seed])):
        dataset = DATASETS.build(labelled_dataset(config))
        check_balance(config, dataset)
        for _ in range(TRIES):
            if any(dataset.prepare_data(index) is not None for index in range(len(dataset))):
                return
    raise ConfigError(
        f'{labelled_dataset(config).ann_file} lists {len(dataset)} frames, of which none has an object in the '
        "detector's range: take more labels, or another number of --seeds"
    )


def check_balance(config: Config, dataset: BaseDataset) -> None:
    """Refuse a subset that lacks a class for mmdet3d's CBGSDataset, which would divide by its share.

    Raises:
        ConfigError: Names the classes.
    """
    wrapper = config.train_dataloader.dataset
    while wrapper.get('dataset') and name_of(wrapper.get('type')) != 'CBGSDataset':
        wrapper = wrapper.dataset
    if name_of(wrapper.get('type')) != 'CBGSDataset':
        return
    found = {label for index in range(len(dataset)) for label in dataset.get_cat_ids(index)}
    missing = [name for label, name in enumerate(dataset.metainfo['classes']) if label not in found]
    if missing:
        raise ConfigError(
            f'CBGSDataset cannot balance {", ".join(missing)}, of which the {len(dataset)} frames of '
            f'{labelled_dataset(config).ann_file} have no object: take more labels, or the data set without it'
        )


def training_batches(config: Config, seed: int) -> Iterator[dict]:
    """Yield the first batches that a run trains on; nothing is read before they are asked for."""
    loader = copy.deepcopy(config.train_dataloader)
    loader.update(num_workers=0, persistent_workers=False)
    loader.pop('prefetch_factor', None)
    yield from islice(Runner.build_dataloader(loader, seed=seed), CALIBRATION_BATCHES)


@contextmanager
def without_bars() -> Iterator[None]:
    """Show no progress bar of mmdet3d's metrics, which would tear our own apart. It bypasses ``sys.stdout``."""
    usual = mmengine.track_iter_progress
    mmengine.track_iter_progress = iter
    try:
        yield
    finally:
        mmengine.track_iter_progress = usual
