"""The features of a detector: one forward pass on made-up clouds, and what each feature is and reaches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ..errors import ConfigError, StrlError
from ..models.data_preprocessor import detector_inputs
from ..models.encoder import DetectorEncoder
from ..models.rows import is_sparse, known_rows
from .gradient_reach import parameters_behind, shares_reached
from .made_up_clouds import made_up_clouds, range_of_detector
from .stock_points import StockPoints

PLANE, SPARSE, VOXELS, POINTS, VECTOR = 'BEV plane', 'sparse voxels', 'voxels', 'points', 'one vector'
NUM_CLOUDS = 2  # as many as BatchNorm needs
HEADER = ('feature', 'kind', 'shape', 'cell', 'channels', 'reaches', 'of which')


@dataclass
class Feature:
    """A feature that can be pooled.

    Attributes:
        name: As `DetectorEncoder` takes it, such as 'neck_feats.0'.
        kind: 'BEV plane', 'sparse voxels', 'voxels', 'points' or 'one vector'.
        shape: Its shape in words; B stands for the clouds of a batch, V for their voxels.
        channels: Of the vector that pooling by the maximum makes of a cloud.
        shares: Child of the detector -> the share of its parameters that get a gradient.
        share: The share of the whole trunk's parameters, in [0, 1].
        reached: The parameters' ``id``.
        depth: How many operations lie behind the feature.
        cell: Metres along x and y of a cell of a plane or a grid, or None.
        stride: Voxels along x in such a cell, or None.
        places: The name of the points' places among the outputs, for `PointRegions`, or None.
    """

    name: str
    kind: str
    shape: str
    channels: int
    shares: dict[str, float]
    share: float
    reached: set[int]
    depth: int
    cell: tuple[float, float] | None = None
    stride: float | None = None
    places: str | None = None

    def describe(self) -> str:
        """Say what it is, as in 'BEV plane, (B, 384, 248, 216), cells of 0.32 m'."""
        return f'{self.kind}, {self.shape}' + (f', cells of {_side(self.cell)}' if self.cell else '')


@dataclass
class Inspection:
    """What one forward pass shows of a detector.

    Attributes:
        detector: The class of the detector.
        trunk: Its children that are pre-trained.
        parameters: Child -> number of its parameters.
        features: The features that can be pooled, in the order of the detector's output.
        point_cloud_range: Of the detector's voxels or its pipeline, metres, or None.
        range_origin: Where the range comes from, in words.
        covers_range: Whether the BEV planes cover the range, as `BEVRegions` needs.
        has_voxels: Whether the detector's data preprocessor makes voxels.
        left_out: Outputs that cannot be pooled -> why.
        sizes: ``id`` of a parameter -> its number of values.
    """

    detector: str
    trunk: list[str]
    parameters: dict[str, int]
    features: list[Feature]
    point_cloud_range: tuple[float, ...] | None
    range_origin: str
    covers_range: bool
    has_voxels: bool
    left_out: dict[str, str] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """The number of the trunk's parameters."""
        return sum(self.parameters.values())

    def size_of(self, reached: Iterable[int]) -> int:
        """Return the number of values in parameters, which are given by their ``id``; other leaves do not count."""
        return sum(self.sizes.get(part, 0) for part in reached)


def inspect_detector(detector: str | dict, points: StockPoints, override: dict | None = None) -> Inspection:
    """Build a detector's trunk, and run it once on made-up clouds, on the CPU.

    Args:
        detector: As of `DetectorEncoder`.
        points: What the detector reads.
        override: As of `DetectorEncoder`.

    Returns:
        The inspection; it has at least one feature.

    Raises:
        ConfigError: If the detector cannot be built, does not run on such clouds, or has no feature that can be pooled.
        FileNotFoundError: If the config does not exist.
    """
    encoder = DetectorEncoder(detector, override=override).train()
    preprocessor = encoder.data_preprocessor
    extent, origin = range_of_detector(preprocessor, points)
    clouds = made_up_clouds(points, extent, NUM_CLOUDS)
    try:
        inputs = detector_inputs(preprocessor, clouds, training=True)
        outputs = encoder.extract(inputs)
    except StrlError:
        raise
    except Exception as error:  # a detector may fail in any way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f'{type(encoder.detector).__name__} does not run on a made-up cloud of {", ".join(points.channels)}: '
            f'{type(error).__name__}: {reason}'
        ) from error
    parameters = {name: sum(part.numel() for part in child.parameters())
                  for name, child in encoder.detector.named_children() if name in encoder.trunk}  # fmt: skip
    inspection = Inspection(
        detector=type(encoder.detector).__name__,
        trunk=list(encoder.trunk),
        parameters=parameters,
        features=[],
        point_cloud_range=extent,
        range_origin=origin,
        covers_range=encoder.point_cloud_range is not None,
        has_voxels='voxels' in inputs,
        sizes={id(part): part.numel() for part in encoder.detector.parameters()},
    )
    found = dict(_leaves(outputs))
    tables = known_rows(inputs, outputs, encoder.cloud_column)
    known: set[int] = set()
    for name, output in found.items():
        if id(output) in known or not _is_trained(output):
            continue
        known.add(id(output))
        encoder.features = [name or None]
        try:
            vector = encoder.vectors(outputs, inputs)
        except (StrlError, RuntimeError, ValueError) as error:
            inspection.left_out[name] = str(error).splitlines()[0]
            continue
        inspection.features.append(_feature(name, vector, found, tables, encoder, inspection))
    if not inspection.features:
        reasons = '; '.join(f'{name}: {why}' for name, why in inspection.left_out.items())
        raise ConfigError(
            f'{inspection.detector} has no feature that can be pooled and depends on a parameter'
            + (f' ({reasons})' if reasons else '')
        )
    return inspection


def _leaves(outputs: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Go through the tensors, dense and sparse, of a detector's output, each with its dotted name."""
    if isinstance(outputs, Mapping):
        parts: Any = outputs.items()
    elif isinstance(outputs, (list, tuple)) and not is_sparse(outputs):
        parts = enumerate(outputs)
    else:
        yield name, outputs
        return
    for key, part in parts:
        yield from _leaves(part, f'{name}.{key}' if name else str(key))


def _is_trained(output: Any) -> bool:
    """Return whether an output depends on a parameter."""
    tensor = output.features if is_sparse(output) else output
    return isinstance(tensor, Tensor) and tensor.requires_grad


def _feature(
    name: str, vector: Tensor, found: dict[str, Any], tables: list[Tensor], encoder: Any, inspection: Inspection
) -> Feature:
    """Describe an output that was pooled to `vector`. `tables` are those of `known_rows`."""
    output = found[name]
    kind, shape, grid = _kind_of(output, tables)
    reached, depth = parameters_behind(vector)
    feature = Feature(
        name=name,
        kind=kind,
        shape=shape,
        channels=vector.shape[1],
        shares=shares_reached(encoder.detector, inspection.trunk, reached),
        share=inspection.size_of(reached) / max(1, inspection.total),
        reached=reached,
        depth=depth,
    )
    extent = inspection.point_cloud_range
    if grid is not None and extent is not None and inspection.covers_range:
        rows, columns = grid
        feature.cell = ((extent[3] - extent[0]) / columns, (extent[4] - extent[1]) / rows)
        voxel = getattr(getattr(encoder.data_preprocessor, 'voxel_layer', None), 'voxel_size', None)
        feature.stride = feature.cell[0] / float(voxel[0]) if voxel is not None else None
    if kind == POINTS:
        feature.places = _places_of(name, found)
    return feature


def _kind_of(output: Any, tables: list[Tensor]) -> tuple[str, str, tuple[int, int] | None]:
    """Return the kind of an output, its shape in words, and its cells along y and x."""
    if is_sparse(output):
        width = output.features.shape[1]
        if not hasattr(output, 'spatial_shape'):
            return VOXELS, f'(V, {width})', None
        grid = [int(side) for side in output.spatial_shape]
        return SPARSE, f'(V, {width}) of {" x ".join(map(str, grid))}', (grid[-2], grid[-1])
    sizes = list(output.shape)
    if len(sizes) == 4:
        return PLANE, f'(B, {sizes[1]}, {sizes[2]}, {sizes[3]})', (sizes[2], sizes[3])
    if len(sizes) > 2:
        return POINTS, f'(B, {", ".join(map(str, sizes[1:]))})', None
    of_points, *others = (len(table) for table in tables)
    if sizes[0] in others[1:]:
        return POINTS, f'(B * {sizes[0] // NUM_CLOUDS}, {sizes[1]})', None
    if sizes[0] in others[:1]:
        return VOXELS, f'(V, {sizes[1]})', None
    return (POINTS, f'(N, {sizes[1]})', None) if sizes[0] == of_points else (VECTOR, f'(B, {sizes[1]})', None)


def _places_of(name: str, found: dict[str, Any]) -> str | None:
    """Return the name of the output that holds the places of a feature's points, if one does; the nearest by name.

    `PointRegions` takes (B, N, 3), or (B * N, 1 + 3) with the cloud's number first.
    """
    feature = found[name]
    wanted = (len(feature), feature.shape[2], 3) if feature.ndim == 3 else (len(feature), 4)
    fitting = [
        other
        for other, output in found.items()
        if isinstance(output, Tensor) and not output.requires_grad and output.is_floating_point()
        and tuple(output.shape) == wanted
    ]  # fmt: skip
    return max(fitting, key=lambda other: len(os.path.commonprefix([other, name])), default=None)  # noqa: RUF071


def table_lines(inspection: Inspection, chosen: str | None = None) -> list[str]:
    """Write the features as lines of a table.

    Args:
        inspection: Of `inspect_detector`.
        chosen: The feature to mark with a star.

    Returns:
        The lines, the header first.
    """
    rows = [HEADER]
    for feature in inspection.features:
        cell = ''
        if feature.cell:
            cell = _side(feature.cell) + _stride(feature.stride)
        parts = ', '.join(f'{name} {_percent(share)}' for name, share in feature.shares.items() if share) or 'nothing'
        mark = '* ' if feature.name == chosen else ''
        rows.append((mark + (feature.name or 'None'), feature.kind, feature.shape, cell, str(feature.channels),
                     _percent(feature.share), parts))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    return ['  '.join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
            for row in rows]  # fmt: skip


def _side(cell: tuple[float, float] | None) -> str:
    """Write the sides of a cell, once if they are equal."""
    x, y = cell or (0.0, 0.0)
    return f'{x:.3g} m' if abs(x - y) < 1e-6 else f'{x:.3g} x {y:.3g} m'


def _stride(voxels: float | None) -> str:
    """Write the side of a cell in voxels, nothing for a detector without voxels."""
    if not voxels:
        return ''
    return f' ({voxels:g} voxel)' if voxels == 1 else f' ({voxels:g} voxels)'


def _percent(share: float) -> str:
    """Write a share in per cent, 100 only where nothing is missing."""
    return '100 %' if share == 1 else f'{min(99.9, 100 * share):.3g} %'
