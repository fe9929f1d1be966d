"""The encoder e: a stock detector without its heads, whose features are pooled to one vector per cloud."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet3d.models import EncoderDecoder3D
from mmdet3d.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.model import BaseModule
from mmengine.utils import get_installed_path
from torch import Tensor, nn

from ..errors import ConfigError, ConfigKeyError
from .pooling import POOLINGS, pool_clouds
from .stack_clouds import stack_clouds


@MODELS.register_module()
class DetectorEncoder(BaseModule):
    """Wrap the trunk of any mmdet3d detector as an encoder of whole point clouds.

    The detector is built from its registry entry. Its children outside `trunk` become ``nn.Identity``, so that its own
    ``extract_feat`` runs only the parts to pre-train. The others keep the detector's attribute names below
    ``detector.``, so an export only strips that prefix. The attribute `trunk` lists their names.

    Args:
        detector: The detector: its config (``dict(type='PointVoxelRCNN', ...)``), or the name of a config file with a
            ``model``, as a path or in another package (``'mmdet3d::second/second_hv_...py'``).
        feature: The feature in the output of ``extract_feat``: keys and positions joined by dots, such as
            ``'spatial_feats'`` or ``'fp_features.-1'``. Several features are pooled separately and concatenated. None
            takes the whole output. With a points encoder in the trunk (PV-RCNN's voxel set abstraction), its outputs
            can be named too.
        trunk: Names of the detector's children to pre-train. None takes all but the heads (``*_head``).
        pool: How a feature becomes one vector per cloud: 'max' (the paper's), 'mean', or 'max_mean' (both,
            concatenated), over points, sparse voxels or the BEV plane.
        override: Changes to the detector's config, merged into it as by ``--cfg-options``.

    Raises:
        FileNotFoundError: If the config file does not exist; names the nearest ones.
        ConfigKeyError: If the detector cannot be built, or it lacks a child in `trunk`; names the children.
        ConfigError: If `pool` is unknown.
    """

    def __init__(
        self,
        detector: str | dict,
        feature: str | Sequence[str] | None = None,
        trunk: Sequence[str] | None = None,
        pool: str = 'max',
        override: dict | None = None,
    ) -> None:
        super().__init__()
        if pool not in POOLINGS:
            raise ConfigError(f"pool is one of {sorted(POOLINGS)}, not '{pool}'")
        self.features = [feature] if feature is None or isinstance(feature, str) else list(feature)
        self.pool = pool
        self.detector: Any = build_detector(detector, override)
        self.data_preprocessor = self.detector.data_preprocessor
        # mmdet3d's point segmentors take one (B, N, C) tensor, its detectors the dict of all inputs.
        self.is_segmentor = isinstance(self.detector, EncoderDecoder3D)
        self._keep_only(trunk)

    def _keep_only(self, trunk: Sequence[str] | None) -> None:
        """Replace the detector's children outside the trunk, and its data preprocessor, by identities."""
        children = [name for name, _ in self.detector.named_children() if name != 'data_preprocessor']
        if trunk is None:
            trunk = [name for name in children if not name.endswith('_head')]
        self.trunk = list(trunk)
        unknown = sorted(set(trunk) - set(children))
        if unknown:
            name = type(self.detector).__name__
            raise ConfigKeyError(f'trunk names {unknown}, which {name} lacks; its children are {children}')
        for name in {*children, 'data_preprocessor'} - set(trunk):
            setattr(self.detector, name, nn.Identity())
        self.has_points_encoder = 'points_encoder' in trunk

    def forward(self, inputs: dict) -> Tensor:
        """Encode a batch.

        Args:
            inputs: The output of the detector's data preprocessor for B clouds, such as
                ``{'points': ..., 'voxels': ...}``.

        Returns:
            (B, D), one vector per cloud.

        Raises:
            ConfigKeyError: If `feature` is not in the detector's output; names the features that are.
        """
        if 'voxels' in inputs:
            # Online and target network share a view, but some voxel encoders (PillarFeatureNet) write into their input.
            inputs = dict(inputs, voxels={name: tensor.clone() for name, tensor in inputs['voxels'].items()})
        features = self.detector.extract_feat(stack_clouds(inputs['points']) if self.is_segmentor else inputs)
        if self.has_points_encoder:
            features = dict(features, **self.detector.extract_points_feat(inputs, features, None))
        batch_size = len(inputs['points'])
        pooled = [pool_clouds(select(features, name), batch_size, self.pool) for name in self.features]
        return torch.cat(pooled, dim=1)


def select(features: Any, name: str | None) -> Any:
    """Follow a dotted name such as ``'fp_features.-1'`` into nested dicts and sequences.

    Args:
        features: The output of ``extract_feat``.
        name: Keys and positions joined by dots; None for the whole output.

    Returns:
        The feature.

    Raises:
        ConfigKeyError: If a step is not found; names the step and the features there.
    """
    for step in name.split('.') if name else ():
        try:
            if not isinstance(features, (dict, list, tuple)):
                raise TypeError
            features = features[step] if isinstance(features, dict) else features[int(step)]
        except (KeyError, IndexError, ValueError, TypeError):
            there = f'is a {type(features).__name__}'
            if isinstance(features, dict):
                there = f'has {sorted(features)}'
            elif isinstance(features, (list, tuple)):
                there = f'has {len(features)} features, named 0 to {len(features) - 1}'
            raise ConfigKeyError(
                f"feature='{name}': '{step}' is not in the detector's output there, which {there}"
            ) from None
    return features


def build_detector(detector: str | dict, override: dict | None = None) -> nn.Module:
    """Build a detector from its config.

    Args:
        detector: The model's config, or the name of a config file with a ``model``.
        override: Merged into the model's config as by ``--cfg-options``.

    Returns:
        The detector, not yet initialised.

    Raises:
        FileNotFoundError: If the config file does not exist.
        ConfigKeyError: If the config has no ``model``, or mmdet3d cannot build it.
    """
    try:
        return MODELS.build(detector_config(detector, override))
    except FileNotFoundError:
        raise
    except Exception as error:
        origin = detector if isinstance(detector, str) else f'dict(type={detector.get("type")!r}, ...)'
        raise ConfigKeyError(f'the detector {origin} could not be built: {error}') from error


def detector_config(detector: str | dict, override: dict | None = None) -> ConfigDict:
    """Return the config of a detector's model, with the changes of `override`; see `build_detector`."""
    model = load_model_config(detector) if isinstance(detector, str) else ConfigDict(copy.deepcopy(detector))
    config = Config(dict(model=model))
    config.merge_from_dict({f'model.{key}': value for key, value in (override or {}).items()})
    return config.model


def load_model_config(name: str) -> ConfigDict:
    """Read the ``model`` of a config file.

    Args:
        name: A path, or ``'package::path below its configs'``.

    Returns:
        The config of the model.

    Raises:
        FileNotFoundError: If the file does not exist; names the nearest ones.
        ConfigKeyError: If the file defines no ``model``.
    """
    try:
        config = get_config(name) if '::' in name else Config.fromfile(name)
    except FileNotFoundError:
        raise FileNotFoundError(f"no detector config '{name}'{suggest(name)}") from None
    if 'model' not in config:
        raise ConfigKeyError(f"the config '{name}' defines no model")
    return config.model


def suggest(name: str) -> str:
    """Return the end of an error message: the config files whose names are nearest to `name`."""
    if '::' not in name:
        return ': check the path'
    package, relative = name.split('::', 1)
    root = Path(get_installed_path(package)) / '.mim' / 'configs'
    there = [path.relative_to(root).as_posix() for path in root.rglob('*.py')]
    near = difflib.get_close_matches(relative, there, n=3, cutoff=0.4)
    return '; the nearest are ' + ', '.join(f"'{package}::{path}'" for path in near) if near else ''
