"""From the checkpoints that STRL's authors released to ours, every tensor accounted for.

Their pre-training (github.com/yichen928/STRL) writes PyTorch-Lightning checkpoints, whose ``state_dict`` holds
``online_network.*`` and ``target_network.*``, each with the encoder's layers beside a ``projector`` and, online, a
``predictor``. Their own script for downstream tasks keeps the online encoder and cuts its prefix off; such
"transformed" files are read too, VoteNet's ``model_state_dict`` with ``backbone_net.*`` included.

The names in `ENCODERS` were compared with the definitions of their networks, and the order of channels with ours (edge
features are neighbour minus centre, then centre; set abstraction takes coordinates, then features; feature propagation
takes interpolated features, then skipped ones). No released file has been converted here yet, since they are on a drive
out of reach. A name that is not expected is an error, so that a file of another layout cannot pass unnoticed.
"""

from __future__ import annotations

import argparse
from collections import Counter, OrderedDict
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..version import __version__
from .checkpoint_file import META_KEY, ExportError


@dataclass(frozen=True)
class EncoderNames:
    """How an encoder's layers are named by the authors and here.

    Attributes:
        layers: The authors' name of a layer -> the detector's.
        twins: Names under which a layer is stored once more -> its name in `layers`.
        unused: Layers that are in the file and took no part in pre-training -> why.
        weight_dims: Dimensions of a weight here; the authors' trailing ones of size 1 are removed or added. None keeps
            them as they are.
    """

    layers: dict[str, str]
    twins: dict[str, str] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    weight_dims: int | None = None


def _votenet_layers() -> dict[str, str]:
    """VoteNet: four set abstractions of three layers, two feature propagations of two."""
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
    # mmdet3d's DGCNN: two layers in the first two graph modules, one in the third, and one behind their concatenation.
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
        unused=dict.fromkeys(('conv7', 'conv8', 'bn7', 'bn8'), 'behind the pooled feature: never trained'),
    ),
    'votenet': EncoderNames(
        layers=_votenet_layers(),
        unused=dict.fromkeys(('sa_aggre', 'fc_layer'), "no part of VoteNet's backbone"),
    ),
}
"""The encoders that were released, by the name that the tool takes."""

BATCH_NORM = ('weight', 'bias', 'running_mean', 'running_var')
"""What a normalisation layer (``*bn`` here) holds, beside its count of batches; a convolution holds a weight alone."""

ONLINE_PREFIXES = ('online_network.', 'online_netwrok.', 'backbone_net.', '')
"""What stands before the encoder's names: as trained (the second one is read by the authors' script, so it may occur),
transformed for VoteNet, transformed for all others."""

TARGET_PREFIX = 'target_network.'
"""What stands before the names of the target network."""

HEADS = {
    'projector': "the projector, not the encoder's",
    'predictor': "the predictor, not the encoder's",
}
"""What stands beside the encoder's layers -> why it is dropped."""

# What pytorch-lightning 0.8 (the release's) and its neighbours pickle beside the tensors: hyper-parameters, and the
# classes of callbacks. All of it is thrown away, so a plain dict stands in for each; no code of Lightning is run.
LIGHTNING_NAMES = (
    'pytorch_lightning.utilities.parsing.AttributeDict',
    'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint',
    'pytorch_lightning.callbacks.early_stopping.EarlyStopping',
)


@dataclass
class ConversionReport:
    """What became of each tensor of a released checkpoint.

    Attributes:
        kept: The authors' name -> the detector's.
        dropped: The authors' name -> the reason.
    """

    kept: dict[str, str]
    dropped: dict[str, str]

    def __str__(self) -> str:
        """A line for what is kept, and one for each reason to drop."""
        total = len(self.kept) + len(self.dropped)
        lines = [f'{len(self.kept)} of {total} tensors kept']
        return '\n'.join(
            lines + [f'{count} dropped: {reason}' for reason, count in Counter(self.dropped.values()).items()]
        )


def _lightning_names_allowed() -> AbstractContextManager:
    """Let ``weights_only`` read a Lightning checkpoint: `LIGHTNING_NAMES` become plain dicts."""
    if not hasattr(torch.serialization, 'safe_globals'):  # torch older than 2.5 refuses such files, with its reason
        return nullcontext()
    return torch.serialization.safe_globals([argparse.Namespace, *((dict, name) for name in LIGHTNING_NAMES)])


def read_authors_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a released checkpoint with ``weights_only``; nothing in it is run.

    Args:
        path: The file.

    Returns:
        Its content, on the CPU, with the tensors as ``state_dict``.

    Raises:
        ExportError: If it is missing, broken, refused as unsafe, or holds no state dict of tensors; names the file.
    """
    path = Path(path)
    if not path.is_file():
        raise ExportError(f'no checkpoint at {path}')
    try:
        with _lightning_names_allowed():
            content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ExportError(
            f'{path} cannot be read as a Lightning checkpoint of tensors and plain values: {error}'
        ) from error
    state_dict = None
    if isinstance(content, dict):
        state_dict = content.get('state_dict', content.get('model_state_dict'))
    if not isinstance(state_dict, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.layout == torch.strided
        for name, tensor in state_dict.items()
    ):
        raise ExportError(f'{path} holds no state_dict of tensors: it is none of the released checkpoints')
    if not all(isinstance(content.get(count, 0), int) for count in ('epoch', 'global_step')):
        raise ExportError(f'{path} was not written by Lightning: its epoch or global_step is no number')
    return dict(content, state_dict=state_dict)


def convert_authors_checkpoint(
    checkpoint: dict[str, Any], encoder: str, source: str
) -> tuple[dict[str, Any], ConversionReport]:
    """Take the online encoder out of a released checkpoint, under the names that it has here.

    Args:
        checkpoint: What `read_authors_checkpoint` returns.
        encoder: A key of `ENCODERS`.
        source: The checkpoint's name, for error messages and provenance.

    Returns:
        The encoder in the format of `export_encoder`, and what became of each tensor.

    Raises:
        ExportError: If a tensor is unknown (names it), one of the encoder's is missing, two copies of one differ, or
            one holds NaN or infinity.
        KeyError: If `encoder` is unknown.
    """
    names = ENCODERS[encoder]
    state_dict: dict[str, Tensor] = checkpoint['state_dict']
    report, unknown = account_for(state_dict, names)
    if unknown:
        shown = ', '.join(unknown[:5]) + (', ...' if len(unknown) > 5 else '')
        raise ExportError(
            f'{source}: {len(unknown)} of {len(state_dict)} tensors are not known of the released {encoder}: {shown}. '
            f'The encoders known are {sorted(ENCODERS)}.'
        )
    missing = sorted(
        {f'{layer}.{tensor}' for layer in names.layers.values() for tensor in required_tensors(layer)}
        - set(report.kept.values())
    )
    if missing:
        raise ExportError(
            f'{source} lacks {len(missing)} tensors of the released {encoder}; {missing[0]} would stay empty'
        )
    _check_twins(state_dict, names, source)
    converted = OrderedDict(
        (ours, _with_dims(state_dict[theirs], names.weight_dims)) for theirs, ours in report.kept.items()
    )
    broken = [name for name, tensor in converted.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ExportError(f'{source}: {len(broken)} tensors hold NaN or infinity, {broken[0]} among them')
    # What state_dict() writes there: BatchNorm counts its batches since version 2.
    layers = dict.fromkeys(name.rpartition('.')[0] for name in converted)
    converted._metadata = OrderedDict(  # type: ignore[attr-defined]
        [('', {})]
        + [(layer, dict(version=2 if f'{layer}.num_batches_tracked' in converted else 1)) for layer in layers]
    )
    return dict(meta={META_KEY: _provenance(checkpoint, encoder, source, len(converted))}, state_dict=converted), report


def required_tensors(layer: str) -> tuple[str, ...]:
    """What a layer, by its name here, must hold."""
    return BATCH_NORM if layer.endswith('bn') else ('weight',)


def online_prefix(state_dict: dict[str, Tensor]) -> str:
    """What stands before the names of the online encoder: the first of `ONLINE_PREFIXES` that occurs."""
    return next((prefix for prefix in ONLINE_PREFIXES if any(name.startswith(prefix) for name in state_dict)), '')


def account_for(state_dict: dict[str, Tensor], names: EncoderNames) -> tuple[ConversionReport, list[str]]:
    """Decide on each tensor by its name.

    Args:
        state_dict: The authors' tensors.
        names: How their encoder's layers are named.

    Returns:
        What is kept and dropped, and the names that are in no table.
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


def allowed_tensors(layer: str) -> tuple[str, ...]:
    """What a layer, by its name here, may hold: old versions of torch wrote no count of batches."""
    required = required_tensors(layer)
    return (*required, 'num_batches_tracked') if required == BATCH_NORM else required


def _check_twins(state_dict: dict[str, Tensor], names: EncoderNames, source: str) -> None:
    """Refuse a file where a layer that is stored twice has two values."""
    prefix = online_prefix(state_dict)
    for twin, layer in names.twins.items():
        for tensor in BATCH_NORM:
            second, first = f'{prefix}{twin}.{tensor}', f'{prefix}{layer}.{tensor}'
            if second in state_dict and not torch.equal(state_dict[second], state_dict[first]):
                raise ExportError(f'{source}: {second} and {first} are one tensor, but their values differ')


def _with_dims(tensor: Tensor, weight_dims: int | None) -> Tensor:
    """A weight (O, I, 1, ...) with so many dimensions; what is no weight of a layer stays as it is."""
    if weight_dims is None or tensor.ndim < 2:
        return tensor
    flat = tensor.flatten(1)
    return flat.reshape(*flat.shape, *[1] * (weight_dims - 2)) if flat.shape[1] == tensor.shape[1] else tensor


def _provenance(checkpoint: dict[str, Any], encoder: str, source: str, tensors: int) -> dict[str, Any]:
    """What `export_encoder` writes of a run of ours, as far as a released file tells it."""
    return dict(
        exported_by=f'strl_mmdet3d {__version__}',
        source=Path(source).name,
        epoch=checkpoint.get('epoch', 0),
        iter=checkpoint.get('global_step', 0),
        seed=0,
        pretrained_at='',
        config=f"the authors' released {encoder} checkpoint",
        tensors=tensors,
        left_out=[],
    )
