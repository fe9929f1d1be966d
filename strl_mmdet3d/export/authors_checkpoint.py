"""Converts the checkpoints that STRL's authors released to exported encoders, and accounts for every tensor.

The authors' pre-training (github.com/yichen928/STRL) writes PyTorch-Lightning checkpoints. Their ``state_dict`` holds
``online_network.*`` and ``target_network.*``: each has the encoder's layers and a ``projector``, and the online network
also a ``predictor``. The authors' script for downstream tasks keeps the online encoder and removes its prefix. Such
"transformed" files are read too, including VoteNet's ``model_state_dict`` with ``backbone_net.*``.

The names in `ENCODERS` were compared with the definitions of the authors' networks, and the order of their channels
with ours (edge features are neighbour minus centre, then centre; set abstraction takes coordinates, then features;
feature propagation takes interpolated features, then skipped ones). Of the released files, DGCNN's was converted: every
tensor lands, and the features are the authors' to 2.4e-6 (measured). The other encoders' files were not. An unexpected
name is an error, so that a file with another layout cannot pass unnoticed.
"""

from __future__ import annotations

import argparse
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoint_file import load_tensors
from .export_error import ExportError
from .plain_content import is_plain_dict, plain_state_dict
from .provenance import sealed


@dataclass(frozen=True)
class EncoderNames:
    """The authors' names of an encoder's layers, and ours.

    Attributes:
        layers: The authors' name of a layer -> the detector's name.
        twins: Second name of a layer that the file stores twice -> its name in `layers`.
        unused: Layer that is in the file but took no part in pre-training -> the reason.
        weight_dims: Number of dimensions of a weight here. The authors' trailing dimensions of size 1 are removed or
            added to match. None keeps them.
    """

    layers: dict[str, str]
    twins: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    weight_dims: int | None = None


def _votenet_layers() -> dict[str, str]:
    """Return VoteNet's layers: four set abstractions with three layers each, two feature propagations with two."""
    layers: dict[str, str] = {}
    for module in range(4):
        for layer in range(3):
            theirs = f'sa{module + 1}.mlp_module.layer{layer}'
            ours = f'backbone.SA_modules.{module}.mlps.0.layer{layer}'
            layers |= {f'{theirs}.conv': f'{ours}.conv', f'{theirs}.bn.bn': f'{ours}.bn'}
    for module in range(2):
        for layer in range(2):
            theirs, ours = f'fp{module + 1}.mlp.layer{layer}', f'backbone.FP_modules.{module}.mlps.layer{layer}'
            layers |= {f'{theirs}.conv': f'{ours}.conv', f'{theirs}.bn.bn': f'{ours}.bn'}
    return layers


ENCODERS: dict[str, EncoderNames] = {
    'pointnet': EncoderNames(
        layers={
            **{f'conv{layer}': f'backbone.layers.{layer - 1}.linear' for layer in range(1, 6)},
            **{f'bn{layer}': f'backbone.layers.{layer - 1}.bn' for layer in range(1, 6)},
        },
        weight_dims=2,  # Linear here, Conv1d there
    ),
    'dgcnn': EncoderNames(
        layers={
            **{f'conv{layer}.0': f'backbone.edge_convs.{layer - 1}.linear' for layer in range(1, 5)},
            **{f'conv{layer}.1': f'backbone.edge_convs.{layer - 1}.bn' for layer in range(1, 5)},
            'conv5.0': 'backbone.last_linear',
            'conv5.1': 'backbone.last_bn',
        },
        twins={f'bn{layer}': f'conv{layer}.1' for layer in range(1, 6)},
        weight_dims=2,  # Linear here, Conv2d and Conv1d there
    ),
    # mmdet3d's DGCNN: two layers in the first two graph modules, one in the third, and one after their concatenation.
    'dgcnn_seg': EncoderNames(
        layers={
            'conv1.0': 'backbone.GF_modules.0.mlps.0.layer0.conv',
            'conv1.1': 'backbone.GF_modules.0.mlps.0.layer0.bn',
            'conv2.0': 'backbone.GF_modules.0.mlps.0.layer1.conv',
            'conv2.1': 'backbone.GF_modules.0.mlps.0.layer1.bn',
            'conv3.0': 'backbone.GF_modules.1.mlps.0.layer0.conv',
            'conv3.1': 'backbone.GF_modules.1.mlps.0.layer0.bn',
            'conv4.0': 'backbone.GF_modules.1.mlps.0.layer1.conv',
            'conv4.1': 'backbone.GF_modules.1.mlps.0.layer1.bn',
            'conv5.0': 'backbone.GF_modules.2.mlps.0.layer0.conv',
            'conv5.1': 'backbone.GF_modules.2.mlps.0.layer0.bn',
            'conv6.0': 'backbone.FA_module.mlps.layer0.conv',
            'conv6.1': 'backbone.FA_module.mlps.layer0.bn',
        },
        twins={f'bn{layer}': f'conv{layer}.1' for layer in range(1, 7)},
        unused=dict.fromkeys(('conv7', 'conv8', 'bn7', 'bn8'), 'after the pooled feature: never trained'),
    ),
    'votenet': EncoderNames(
        layers=_votenet_layers(),
        unused=dict.fromkeys(('sa_aggre', 'fc_layer'), "not in VoteNet's backbone"),
    ),
}
"""Name of a released encoder, as the tool takes it -> its layers."""

BATCH_NORM = ('weight', 'bias', 'running_mean', 'running_var')
"""The tensors of a normalisation layer (``*bn`` here), beside its count of batches. A convolution has only a weight."""

ONLINE_PREFIXES = ('online_network.', 'online_netwrok.', 'backbone_net.', '')
"""Prefixes of the encoder's names: as trained (the authors' script also reads the second, so it may occur), transformed
for VoteNet, and transformed for all others."""

TARGET_PREFIX = 'target_network.'
"""The prefix of the target network's names."""

HEADS = {
    'projector': "the projector, not the encoder's",
    'predictor': "the predictor, not the encoder's",
}
"""Part of a network beside the encoder's layers -> why it is dropped."""

# pytorch-lightning 0.8 (the release's) and its neighbours pickle hyper-parameters and the classes of callbacks beside
# the tensors. They are not used, so a plain dict stands in for each; no code of Lightning is run.
LIGHTNING_NAMES = (
    'pytorch_lightning.utilities.parsing.AttributeDict',
    'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint',
    'pytorch_lightning.callbacks.early_stopping.EarlyStopping',
)


@dataclass
class ConversionReport:
    """Which tensors of a released checkpoint are kept, and which are dropped.

    Attributes:
        kept: The authors' name -> the detector's name.
        dropped: The authors' name -> the reason.
    """

    kept: dict[str, str]
    dropped: dict[str, str]

    def __str__(self) -> str:
        """Write a line with the number of kept tensors, and one for each reason to drop."""
        total = len(self.kept) + len(self.dropped)
        lines = [f'{len(self.kept)} of {total} tensors kept']
        lines += [f'{count} dropped: {reason}' for reason, count in Counter(self.dropped.values()).items()]
        return '\n'.join(lines)


def read_authors_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a released checkpoint by `load_tensors`, so that none of its code is run.

    Returns:
        Its ``state_dict``, ``epoch`` and ``global_step``.

    Raises:
        ExportError: If it is missing, damaged, refused as unsafe, or holds no state dict of tensors; names the file.
    """
    allowed = [argparse.Namespace, *((dict, name) for name in LIGHTNING_NAMES)]
    content = load_tensors(path, allowed, legacy=True)  # torch wrote no archives before 1.6
    if not is_plain_dict(content):
        raise ExportError(f'{path} holds no state_dict: it is not a released checkpoint')
    counts = {count: content.get(count, 0) for count in ('epoch', 'global_step')}
    if not all(type(number) is int and 0 <= number < 2**63 for number in counts.values()):
        raise ExportError(f'{path} was not written by Lightning: its epoch or global_step is not a whole number')
    tensors = content.get('state_dict', content.get('model_state_dict'))
    return dict(counts, state_dict=plain_state_dict(tensors, str(path), Path(path).stat().st_size))


def convert_authors_checkpoint(
    checkpoint: dict[str, Any], encoder: str, source: str
) -> tuple[dict[str, Any], ConversionReport]:
    """Take the online encoder out of a released checkpoint, under our names.

    Args:
        checkpoint: The result of `read_authors_checkpoint`.
        encoder: A key of `ENCODERS`.
        source: The checkpoint's name, for error messages and provenance.

    Returns:
        The encoder in the format of `export_encoder`, and the report on every tensor.

    Raises:
        ExportError: If a tensor is unknown (names it), a tensor of the encoder is missing, two copies of a tensor
            differ, or a tensor holds NaN or infinity.
        KeyError: If `encoder` is unknown.
    """
    names = ENCODERS[encoder]
    state_dict: dict[str, Tensor] = checkpoint['state_dict']
    report, unknown = account_for(state_dict, names)
    if unknown:
        shown = ', '.join(unknown[:5]) + (', ...' if len(unknown) > 5 else '')
        raise ExportError(
            f'{source}: {len(unknown)} of {len(state_dict)} tensors do not belong to the released {encoder}: {shown}. '
            f'Is it another encoder, one of {sorted(ENCODERS)}?'
        )
    missing = sorted(
        {f'{layer}.{tensor}' for layer in names.layers.values() for tensor in required_tensors(layer)}
        - set(report.kept.values())
    )
    if missing:
        raise ExportError(f'{source} lacks {len(missing)} tensors of the released {encoder}, {missing[0]} among them')
    _check_twins(state_dict, names, source)
    converted = OrderedDict(
        (ours, _with_dims(state_dict[theirs], names.weight_dims).contiguous().clone())
        for theirs, ours in report.kept.items()
    )
    broken = [name for name, tensor in converted.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ExportError(f'{source}: {len(broken)} tensors hold NaN or infinity, {broken[0]} among them')
    layers = dict.fromkeys(name.rpartition('.')[0] for name in converted)
    for layer in layers:
        if 'num_batches_tracked' in allowed_tensors(layer):  # torch starts a missing count at 0, too
            converted.setdefault(f'{layer}.num_batches_tracked', torch.tensor(0))
    # As state_dict() writes it: BatchNorm counts its batches since version 2.
    converted._metadata = OrderedDict(  # type: ignore[attr-defined]
        [('', {})] + [(layer, dict(version=2 if layer.endswith('bn') else 1)) for layer in layers]
    )
    exported = sealed(
        converted,
        trunk=list(dict.fromkeys(layer.split('.')[0] for layer in layers)),
        settings=None,
        left_out=[],
        untrained=[],
        source=Path(source).name,
        epoch=checkpoint.get('epoch', 0),
        iter=checkpoint.get('global_step', 0),
        seed=0,
        pretrained_at='',
        config=f"the authors' released {encoder} checkpoint",
        compared_with=f'the layers of the released {encoder}',
    )
    return exported, report


def account_for(state_dict: dict[str, Tensor], names: EncoderNames) -> tuple[ConversionReport, list[str]]:
    """Decide for each tensor, by its name, whether to keep or to drop it.

    Args:
        state_dict: The authors' tensors.
        names: The names of their encoder's layers.

    Returns:
        The tensors that are kept and dropped, and the names that are not in any table.
    """
    prefix = online_prefix(state_dict)
    left_behind = HEADS | names.unused
    report, unknown = ConversionReport({}, {}), []
    for name in state_dict:
        layer, _, tensor = name.removeprefix(prefix).rpartition('.')
        if name.startswith(TARGET_PREFIX):
            report.dropped[name] = 'the target network; the online one is kept'
        elif not name.startswith(prefix):
            unknown.append(name)
        elif layer.split('.')[0] in left_behind:
            report.dropped[name] = left_behind[layer.split('.')[0]]
        elif layer in names.twins:
            report.dropped[name] = 'a layer under its second name'
        elif layer in names.layers and tensor in allowed_tensors(names.layers[layer]):
            report.kept[name] = f'{names.layers[layer]}.{tensor}'
        else:
            unknown.append(name)
    return report, unknown


def online_prefix(state_dict: dict[str, Tensor]) -> str:
    """Return the prefix of the online encoder's names: the first of `ONLINE_PREFIXES` that occurs."""
    return next((prefix for prefix in ONLINE_PREFIXES if any(name.startswith(prefix) for name in state_dict)), '')


def required_tensors(layer: str) -> tuple[str, ...]:
    """Return the tensors that a layer must have, by our name of the layer."""
    return BATCH_NORM if layer.endswith('bn') else ('weight',)


def allowed_tensors(layer: str) -> tuple[str, ...]:
    """Return the tensors that a layer may have: old versions of torch wrote no count of batches."""
    required = required_tensors(layer)
    return (*required, 'num_batches_tracked') if required == BATCH_NORM else required


def _check_twins(state_dict: dict[str, Tensor], names: EncoderNames, source: str) -> None:
    """Refuse a file whose two copies of a layer differ."""
    prefix = online_prefix(state_dict)
    for twin, layer in names.twins.items():
        for tensor in BATCH_NORM:
            second, first = f'{prefix}{twin}.{tensor}', f'{prefix}{layer}.{tensor}'
            if second in state_dict and not torch.equal(state_dict[second], state_dict[first]):
                raise ExportError(f'{source}: {second} and {first} are the same tensor, but their values differ')


def _with_dims(tensor: Tensor, weight_dims: int | None) -> Tensor:
    """Return a weight (O, I, 1, ...) with this number of dimensions, and any other tensor unchanged."""
    if weight_dims is None or tensor.ndim < 2:
        return tensor
    flat = tensor.flatten(1)
    return flat.reshape(*flat.shape, *[1] * (weight_dims - 2)) if flat.shape[1] == tensor.shape[1] else tensor
