"""Converts exported encoders to OpenPCDet's checkpoints, and OpenPCDet's checkpoints to exported encoders.

Both toolboxes build SECOND, PointPillars, PV-RCNN and CenterPoint of the same layers, so a converted trunk computes the
same feature. Beside names and the order of a sparse kernel's axes, four things differ:

- A 1 x 1 convolution that OpenPCDet has as a transposed one: its weight is transposed.
- The fusion of PV-RCNN's key points is a 1 x 1 convolution in mmdet3d and a linear layer in OpenPCDet.
- The convolutions of OpenPCDet's residual blocks have a bias before their normalisation. It is 0 on the way there, and
  subtracted from the running mean on the way back.
- mmdet3d's pillars may take each point's offset from its pillar's centre twice, and never its coordinates
  (``legacy=True``, the default). On the way there, both weights of an offset become one, and the coordinates' are 0.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from ...models.detector_kinds import default_trunk
from ...models.encoder import build_detector
from ...version import __version__
from ..export_error import ExportError
from ..manifest import shortened
from ..provenance import META_KEY, sealed
from ..trunk_settings import trunk_settings
from .layouts import layout_of, normalisation_of, relaid
from .names import DETECTORS, NOT_OF_THE_TRUNK, Detector, different_settings, openpcdet_name
from .report import OpenPCDetReport

FIRST_PILLAR_WEIGHT = 'voxel_encoder.pfn_layers.0.linear.weight'
"""mmdet3d's name of the weight that takes a pillar's points: (out, C + 6), for points of C columns."""

FUSION_WEIGHT = 'points_encoder.point_feature_fusion_layer.0.conv.weight'

BIAS_OF_ZEROS = 'a bias of zeros, which mmdet3d does not have'

NOT_ASKED_FOR = 'of a part that is not asked for'


def to_openpcdet(
    exported: dict[str, Any], name: str, source: str, spconv: str = '2', *, conv_for_no_stride: bool = False
) -> tuple[dict[str, Any], OpenPCDetReport]:
    """Write an exported encoder under OpenPCDet's names.

    Args:
        exported: The result of `read_exported`.
        name: The detector, a key of `DETECTORS`.
        source: The file's name, for error messages.
        spconv: The version of spconv by which OpenPCDet will read the weights; a key of `LAYOUTS`.
        conv_for_no_stride: Whether OpenPCDet's config sets ``USE_CONV_FOR_NO_STRIDE``.

    Returns:
        A checkpoint as OpenPCDet's ``load_params_from_file`` takes it, with ``model_state``; and the report.

    Raises:
        ExportError: If the encoder does not record its settings, a setting has no counterpart in OpenPCDet, a tensor
            has no name there (names it), or a weight has another shape.
    """
    detector, settings = DETECTORS[name], exported['meta'][META_KEY]['settings']
    if settings is None:
        raise ExportError(
            f'{source} does not record the settings of its pre-training, without which its tensors may mean something '
            'else in OpenPCDet: export it from a checkpoint that records them'
        )
    _check_settings(settings, detector, name, source)
    state_dict: Mapping[str, Tensor] = exported['state_dict']
    names = {ours: openpcdet_name(ours, detector) for ours in state_dict}
    unknown = [ours for ours, theirs in names.items() if theirs is None]
    if unknown:
        raise ExportError(
            f"{source}: {len(unknown)} of {len(state_dict)} tensors have no name in OpenPCDet's {name}: "
            f'{shortened(unknown)}. Is it another detector, one of {sorted(DETECTORS)}?'
        )
    report = OpenPCDetReport(stored=layout_of(state_dict, source))
    legacy = settings.get(f'{detector.prefix}voxel_encoder.legacy') is True
    transposes = _transposes(settings, detector, conv_for_no_stride)
    model_state: OrderedDict[str, Tensor] = OrderedDict()
    for ours, theirs in names.items():
        assert theirs is not None
        tensor, own = state_dict[ours], ours.removeprefix(detector.prefix)
        if tensor.ndim == 5:
            tensor = relaid(tensor, report.stored, spconv)
            layer = theirs.rpartition('.')[0]
            if detector.residual and layer.endswith(('.conv1', '.conv2')):
                model_state[f'{layer}.bias'] = tensor.new_zeros(state_dict[normalisation_of(ours)].numel())
                report.added[f'{layer}.bias'] = BIAS_OF_ZEROS
        elif own == FUSION_WEIGHT:
            tensor = tensor.flatten(1)
        elif own == FIRST_PILLAR_WEIGHT and legacy:
            tensor = _of_coordinates(tensor)
            report.changed[ours] = "legacy=True: both weights of the offset from the pillar's centre became one"
        elif transposes and _is_pointwise_upsampling(own, tensor):
            tensor = tensor.transpose(0, 1)
            report.changed[ours] = 'transposed, as a convolution with stride 1 is transposed there'
        model_state[theirs] = tensor.contiguous().clone()
        report.renamed[ours] = theirs
    return dict(model_state=model_state, version=f'strl_mmdet3d+{__version__}', epoch=0, it=0), report


def from_openpcdet(
    checkpoint: dict[str, Any],
    name: str,
    config: Config,
    source: str,
    parts: Sequence[str] | None = None,
    spconv: str | None = None,
    *,
    conv_for_no_stride: bool = False,
) -> tuple[dict[str, Any], OpenPCDetReport]:
    """Take the trunk out of an OpenPCDet checkpoint, under the names of a mmdet3d detector.

    Args:
        checkpoint: The result of `read_openpcdet`.
        name: The detector, a key of `DETECTORS`.
        config: The config of the mmdet3d detector that takes the tensors.
        source: The checkpoint's name, for error messages and provenance.
        parts: The detector's children to fill. None takes all but the heads.
        spconv: The version of spconv that stored the weights, where their shapes fit several; a key of `LAYOUTS`.
        conv_for_no_stride: Whether OpenPCDet's config sets ``USE_CONV_FOR_NO_STRIDE``.

    Returns:
        The trunk in the format of `export_encoder`, and the report on every tensor.

    Raises:
        ExportError: If a tensor of the trunk is missing, the file holds a tensor that the detector does not have, or
            one of another shape or type (names each, up to 5), a tensor holds NaN or infinity, the config has a setting
            with which the tensors would compute something else, or `parts` names an unknown child.
    """
    detector = DETECTORS[name]
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    if 'model' not in config:
        raise ExportError('the config has no model: name the config of a detector')
    model = build_detector(config.model)
    trunk = default_trunk(child for child, _ in model.named_children() if child != 'data_preprocessor')
    unknown_parts = sorted(set(parts or ()) - set(trunk))
    if unknown_parts:
        raise ExportError(f"{unknown_parts[0]} is not a part of the {name}'s trunk, which consists of {trunk}")
    chosen = [part for part in trunk if parts is None or part in parts]
    settings = trunk_settings(config.model, chosen)
    _check_settings(settings, detector, name, 'the config', legacy=False)
    expected = {ours: tensor for ours, tensor in model.state_dict().items() if ours.split('.')[0] in trunk}
    names = {ours: openpcdet_name(ours, detector) for ours in expected}
    unnamed = [ours for ours, theirs in names.items() if theirs is None]
    if unnamed:
        raise ExportError(f"the config has tensors that OpenPCDet's {name} does not: {shortened(unnamed)}")

    model_state: Mapping[str, Tensor] = checkpoint['model_state']
    report = OpenPCDetReport()
    renamed = {theirs: ours for ours, theirs in names.items() if theirs is not None}
    biases = _biases(model_state, detector, renamed)
    _account_for(model_state, renamed, biases, chosen, report, f"{source} as OpenPCDet's {name}")
    of_trunk = {theirs: model_state[theirs] for theirs in report.renamed}
    report.stored = layout_of(of_trunk, source, spconv)
    wanted = layout_of(expected, "the config's detector")
    transposes = _transposes(settings, detector, conv_for_no_stride)
    converted: OrderedDict[str, Tensor] = OrderedDict()
    for ours, theirs in names.items():
        if ours.split('.')[0] not in chosen:
            continue
        assert theirs is not None
        if theirs not in model_state:
            converted[ours] = torch.zeros_like(expected[ours])  # a count of batches, which old versions lack
            report.added[ours] = 'a count of batches, which the file does not have'
            continue
        tensor, own = model_state[theirs], ours.removeprefix(detector.prefix)
        if tensor.ndim == 5:
            tensor = relaid(tensor, report.stored, wanted)
        elif own == FUSION_WEIGHT and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]
        elif transposes and _is_pointwise_upsampling(own, tensor):
            tensor = tensor.transpose(0, 1)
            report.changed[theirs] = 'transposed, as a transposed convolution with stride 1 is a convolution here'
        converted[ours] = tensor.contiguous().clone()
    for bias, mean in biases.items():
        if mean in converted:
            _subtract(model_state[bias], converted, mean, source, bias)
            report.changed[bias] = "a bias before a normalisation, subtracted from that one's running mean"
    _check_fit(converted, expected, source)
    converted._metadata = _metadata_of(model, chosen)  # type: ignore[attr-defined]
    return (
        sealed(
            converted,
            trunk=chosen,
            settings=settings,
            left_out=[],
            untrained=[],
            source=Path(source).name,
            epoch=checkpoint.get('epoch', 0),
            iter=checkpoint.get('it', 0),
            seed=0,
            pretrained_at='',
            config=f"a checkpoint of OpenPCDet's {name}",
            compared_with="the detector's trunk",
        ),
        report,
    )


def _check_settings(
    settings: Mapping[str, Any], detector: Detector, name: str, source: str, *, legacy: bool = True
) -> None:
    """Refuse settings with which the same tensors compute something else in OpenPCDet.

    Args:
        settings: Those of the trunk in mmdet3d.
        detector: The detector.
        name: Its name.
        source: What has the settings, for the error message.
        legacy: Whether pillars with ``legacy=True`` can be converted.
    """
    lines = different_settings(settings, detector)
    pillars = f'{detector.prefix}voxel_encoder'
    if settings.get(f'{pillars}.legacy') is True:
        if not legacy:
            lines.append(
                f"{pillars}.legacy is True, and OpenPCDet's pillars have their points' coordinates: set "
                f'model.{pillars}.legacy=False'
            )
        elif settings.get(f'{pillars}.with_distance') is True:
            lines.append(f'{pillars}.with_distance measures from the centre of the pillar with legacy=True')
    if lines:
        raise ExportError(f"{source}: not what OpenPCDet's {name} computes: {shortened(lines)}")


def _transposes(settings: Mapping[str, Any], detector: Detector, conv_for_no_stride: bool) -> bool:
    """Return whether one toolbox has a convolution where the other has a transposed one, with stride 1."""
    return bool(settings.get(f'{detector.prefix}neck.use_conv_for_no_stride', False)) != conv_for_no_stride


def _is_pointwise_upsampling(own: str, tensor: Tensor) -> bool:
    """Return whether it is the weight of the neck's 1 x 1 convolution, by mmdet3d's name without the prefix."""
    return own.startswith('neck.deblocks.') and tensor.ndim == 4 and tuple(tensor.shape[2:]) == (1, 1)


def _of_coordinates(weight: Tensor) -> Tensor:
    """Return the weight that does with coordinates what a weight of ``legacy=True`` does without them.

    The columns of both are: x, y, z and the point's other values; the offsets from the pillar's mean; and from its
    centre. With ``legacy=True`` the first three are the offsets from the centre, too.
    """
    absolute = weight.clone()
    absolute[:, -3:] += weight[:, :3]
    absolute[:, :3] = 0
    return absolute


def _biases(model_state: Mapping[str, Tensor], detector: Detector, renamed: Mapping[str, str]) -> dict[str, str]:
    """Return OpenPCDet's name of each bias in a residual block -> mmdet3d's name of the running mean that takes it."""
    if not detector.residual:
        return {}
    biases = {}
    for theirs in model_state:
        layer, _, tensor = theirs.rpartition('.')
        block, _, last = layer.rpartition('.')
        mean = renamed.get(f'{block}.{last.replace("conv", "bn")}.running_mean')
        if tensor == 'bias' and last in ('conv1', 'conv2') and block and mean is not None:
            biases[theirs] = mean
    return biases


def _account_for(
    model_state: Mapping[str, Tensor],
    renamed: Mapping[str, str],
    biases: Mapping[str, str],
    chosen: Sequence[str],
    report: OpenPCDetReport,
    source: str,
) -> None:
    """Decide for each of OpenPCDet's tensors, by its name, what happens to it, and write that into the report.

    Raises:
        ExportError: If the file holds a tensor that the detector does not have, or lacks one that it must have.
    """
    unknown = []
    for theirs in model_state:
        ours = renamed.get(theirs, biases.get(theirs))
        if ours is not None and ours.split('.')[0] not in chosen:
            report.dropped[theirs] = NOT_ASKED_FOR
        elif theirs in renamed:
            report.renamed[theirs] = renamed[theirs]
        elif theirs.split('.')[0] in NOT_OF_THE_TRUNK:
            report.dropped[theirs] = NOT_OF_THE_TRUNK[theirs.split('.')[0]]
        elif theirs not in biases:
            unknown.append(f'{theirs} does not belong there')
    missing = [
        f'{theirs} is missing'
        for theirs, ours in renamed.items()
        if ours.split('.')[0] in chosen and theirs not in model_state and not theirs.endswith('num_batches_tracked')
    ]
    if unknown or missing:
        raise ExportError(
            f'{source} is not what the config describes, '
            f'{len(unknown)} tensors are unknown and {len(missing)} missing: '
            f'{shortened(unknown)}{"; " if unknown and missing else ""}{shortened(missing)}. Name a config of the same '
            'detector by --config, or the parts to take by --parts'
        )


def _subtract(bias: Tensor, converted: dict[str, Tensor], mean: str, source: str, name: str) -> None:
    """Subtract a bias before a normalisation from its running mean, which gives the same output."""
    if bias.shape != converted[mean].shape:
        raise ExportError(f'{source}: {name} has the shape {tuple(bias.shape)}, not {tuple(converted[mean].shape)}')
    converted[mean] = converted[mean] - bias


def _check_fit(converted: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str) -> None:
    """Refuse tensors of another shape or type than the detector's, and numbers that are not finite."""
    wrong = []
    for ours, tensor in converted.items():
        mine = expected[ours]
        if tensor.shape != mine.shape or tensor.dtype != mine.dtype:
            wrong.append(f'{ours} is {tensor.dtype} {list(tensor.shape)}, not {mine.dtype} {list(mine.shape)}')
        elif not torch.isfinite(tensor).all():
            wrong.append(f'{ours} holds NaN or infinity')
    if wrong:
        raise ExportError(f"{source} does not fit the config's detector: {shortened(wrong)}")


def _metadata_of(model: nn.Module, chosen: Sequence[str]) -> OrderedDict[str, dict[str, Any]]:
    """Return the versions of the modules in some of a model's children, as its state dict has them."""
    metadata: Mapping[str, dict[str, Any]] = model.state_dict()._metadata  # type: ignore[attr-defined]
    return OrderedDict(
        [('', {})] + [(name, dict(entry)) for name, entry in metadata.items() if name.split('.')[0] in chosen]
    )
