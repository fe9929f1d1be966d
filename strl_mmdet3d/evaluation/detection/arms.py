"""The arms of the comparison, and the weights that each starts from: equal but for what a checkpoint replaces."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from ...errors import ConfigError
from ...export import (
    META_KEY,
    LoadReport,
    check_exported,
    compare_loaded,
    compare_settings,
    export_encoder,
    read_checkpoint,
)
from ...generators import seeded
from ...models.encoder import build_detector
from .trunk_calibration import calibrated_trunk

Kind = Literal['scratch', 'finetuned', 'frozen', 'frozen-random']
KINDS: tuple[Kind, ...] = get_args(Kind)

NAME = re.compile(r'[A-Za-z0-9][\w.-]*')

State = OrderedDict[str, Tensor]


@dataclass(frozen=True)
class Pretrained:
    """A pre-trained encoder.

    Attributes:
        name: Its name in the tables.
        exported: Its content, proved whole.
        source: The file, for error messages.
    """

    name: str
    exported: dict[str, Any] = field(compare=False, repr=False)
    source: str

    @property
    def sha256(self) -> str:
        """The checksum of its tensors and provenance."""
        return self.exported['meta'][META_KEY]['sha256']

    @property
    def trunk(self) -> tuple[str, ...]:
        """The detector's children that were pre-trained."""
        return tuple(self.exported['meta'][META_KEY]['trunk'])


@dataclass(frozen=True)
class Arm:
    """One way to begin and train a detector.

    Attributes:
        kind: From scratch, fine-tuned from a checkpoint, its trunk frozen, or a random trunk frozen.
        name: In tables and file names: the kind, and the checkpoint or trunk where there are several.
        pretrained: The checkpoint, if any.
        frozen: The detector's children that stay as they are.
    """

    kind: Kind
    name: str
    pretrained: Pretrained | None = None
    frozen: tuple[str, ...] = ()

    @property
    def sha256(self) -> str | None:
        """The checksum of its checkpoint, if any."""
        return self.pretrained.sha256 if self.pretrained else None


def read_pretrained(name: str, path: str | Path) -> Pretrained:
    """Read an exported encoder, or the online encoder of a pre-training checkpoint.

    Raises:
        ConfigError: If the name does not fit into a file's name.
        ExportError: If the file is neither, or not whole.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f'--checkpoint {name}=...: a name has letters, digits, dots, hyphens and underscores only')
    checkpoint = read_checkpoint(path)
    prove = check_exported if META_KEY in checkpoint['meta'] else export_encoder
    return Pretrained(name, prove(checkpoint, str(path)), str(path))


def arms_of(kinds: Iterable[Kind], checkpoints: Sequence[Pretrained]) -> list[Arm]:
    """List the arms: one for each checkpoint where the kind has one; a random frozen trunk for each trunk.

    Arms of one name are the pre-trainings of one recipe; see `arms_of_seed`.

    Raises:
        ConfigError: If a kind needs a checkpoint and there is none, a checkpoint to freeze lacks tensors, or
            checkpoints of one name are not several pre-trainings of one trunk.
    """
    kinds = set(kinds)
    if not checkpoints and kinds - {'scratch'}:
        raise ConfigError(f'the arms {", ".join(sorted(kinds - {"scratch"}))} need a pre-training: give --checkpoint')
    check_recipes(checkpoints)
    arms = [Arm('scratch', 'scratch')] if 'scratch' in kinds else []
    if 'finetuned' in kinds:
        arms += [Arm('finetuned', f'finetuned-{each.name}', each) for each in checkpoints]
    if 'frozen' in kinds:
        for each in checkpoints:
            provenance = each.exported['meta'][META_KEY]
            # Parts that no gradient has reached are random also where the file includes them.
            untrained = provenance['left_out'] or provenance.get('untrained')
            if untrained:
                raise ConfigError(
                    f'{each.source} was pre-trained without {", ".join(untrained)}, which a frozen trunk would keep '
                    'random: take a whole encoder, or leave frozen out of --arms'
                )
            arms.append(Arm('frozen', f'frozen-{each.name}', each, each.trunk))
    if 'frozen-random' in kinds:
        trunks = list(dict.fromkeys(each.trunk for each in checkpoints))
        for trunk in trunks:
            suffix = f'-{"-".join(trunk)}' if len(trunks) > 1 else ''
            arms.append(Arm('frozen-random', f'frozen-random{suffix}', frozen=trunk))
    named = {arm.name: arm for arm in arms}
    for arm in arms:
        if arm.kind != named[arm.name].kind:
            raise ConfigError(f'two arms would have the name {arm.name}: name the checkpoints otherwise')
    return arms


def check_recipes(checkpoints: Sequence[Pretrained]) -> None:
    """Check that checkpoints of one name are different pre-trainings of one trunk.

    Raises:
        ConfigError: If two are the same, or have other trunks.
    """
    for other, each in combinations(checkpoints, 2):
        if each.name != other.name:
            continue
        if each.sha256 == other.sha256:
            raise ConfigError(
                f'{each.source} is the same pre-training as {other.source}: --checkpoint {each.name}=... is for '
                'several, with other seeds'
            )
        if each.trunk != other.trunk:
            raise ConfigError(
                f'{each.source} pre-trained {", ".join(each.trunk)}, and {other.source} {", ".join(other.trunk)}: '
                'name the checkpoints otherwise, as one name is for several pre-trainings of one trunk'
            )


def arms_of_seed(arms: Iterable[Arm], seed: int) -> list[Arm]:
    """Choose the arms of a seed: the pre-trainings of one recipe take turns, so that the seeds draw them, too.

    Args:
        arms: All arms; those of one name differ in their pre-training.
        seed: The seed.

    Returns:
        One arm of each name: of n pre-trainings number seed mod n.
    """
    turns: dict[str, list[Arm]] = {}
    for arm in arms:
        turns.setdefault(arm.name, []).append(arm)
    return [of_name[seed % len(of_name)] for of_name in turns.values()]


def initial_model(model: dict, seed: int) -> nn.Module:
    """Build a detector with the weights of a seed, head and trunk; the global generators stay as they were."""
    with seeded(np.random.SeedSequence([seed])):
        detector: Any = build_detector(model)
        detector.init_weights()
    return detector


def start_of(
    arm: Arm, config: Config, seed: int, batches: Iterable[dict], allow_different: Sequence[str] = ()
) -> State:
    """Compute the weights that an arm starts from.

    Args:
        arm: The arm.
        config: The downstream config.
        seed: Draws the weights, the same in every arm.
        batches: Batches of the training data, for a random frozen trunk to calibrate its BatchNorm; not read otherwise.
        allow_different: See `compare_loaded` and `compare_settings`.

    Returns:
        The detector's state dict.

    Raises:
        ExportError: If a tensor of the checkpoint does not land.
    """
    detector = initial_model(config.model, seed)
    if arm.pretrained is not None:
        load_pretrained(detector, arm.pretrained, config, allow_different)
    elif arm.frozen:
        detector.to(get_device())
        calibrated_trunk(detector, arm.frozen, batches)
    return copied_state(detector)


def load_pretrained(
    detector: nn.Module, pretrained: Pretrained, config: Config, allow_different: Sequence[str] = ()
) -> LoadReport:
    """Load a checkpoint into a detector, and prove that all of it has landed and that nothing else has changed.

    Raises:
        ExportError: If a tensor or a setting of the trunk differs.
    """
    before = copied_state(detector)
    state_dict = pretrained.exported['state_dict']
    load_state_dict(detector, state_dict, strict=False, logger='silent')
    report = compare_loaded(pretrained.exported, detector, pretrained.source, allow_different)
    report.settings = compare_settings(pretrained.exported, config, pretrained.source, allow_different)
    after = detector.state_dict()
    changed = [name for name in before if name not in state_dict and not torch.equal(before[name], after[name])]
    if changed:  # no detector is known to do so
        raise ConfigError(
            f'loading {pretrained.source} changed {changed[0]}, which it does not hold: it cannot be paired'
        )
    return report


def copied_state(detector: nn.Module) -> State:
    """Copy a state dict to the CPU, with the ``_metadata`` without which spconv's weights would be skipped."""
    state = detector.state_dict()
    copied = OrderedDict((name, tensor.detach().cpu().clone()) for name, tensor in state.items())
    copied._metadata = state._metadata  # type: ignore[attr-defined]
    return copied
