"""The encoder e: a stock detector without its heads, whose features become one vector per cloud, or per region."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.hub import get_config
from mmengine.model import BaseModule
from mmengine.utils import get_installed_path
from torch import Tensor, nn

from ..errors import ConfigError, ConfigKeyError
from .detector_kinds import default_trunk, extract_features, refuse_images, require_clouds, stacks_clouds
from .pooling import POOLINGS, pool_clouds
from .regions import RegionContext
from .rows import LeftOut, known_rows
from .select_feature import select
from .sync_norms import widen_for_sync_norms


@MODELS.register_module()
class DetectorEncoder(BaseModule):
    """Wrap the trunk of any mmdet3d detector or segmentor as an encoder of whole point clouds, or of regions in them.

    The detector is built from its registry entry. Its children outside `trunk` become `LeftOut`, so that its own
    ``extract_feat`` runs only the parts to pre-train. The others keep the detector's attribute names below
    ``detector.``, so an export only strips that prefix. The attribute `trunk` lists their names. A detector of images
    is refused; of one that takes images too, the branch of points can be pre-trained if it does without them.

    Args:
        detector: The detector: its config (``dict(type='PointVoxelRCNN', ...)``), or the name of a config file with a
            ``model``, as a path or in another package (``'mmdet3d::second/second_hv_...py'``).
        feature: The feature in the output of ``extract_feat``: keys and positions joined by dots, such as
            ``'spatial_feats'`` or ``'fp_features.-1'``. Several features are pooled separately and concatenated. None
            takes the whole output. With a points encoder in the trunk (PV-RCNN's voxel set abstraction), its outputs
            can be named too. The output of an ``MVXTwoStageDetector`` (CenterPoint) is its features of points.
        trunk: Names of the detector's children to pre-train. None takes all but the heads, the losses and the branch of
            images (``*_head``, ``loss_*``, ``img_*``).
        pool: What a vector stands for. One per cloud: 'max' (the paper's), 'mean', or 'max_mean' (both, concatenated),
            over points, sparse voxels or the BEV plane. One per region (dense STRL): ``dict(type='BEVRegions')`` or
            ``dict(type='PointRegions', ...)``, which read the feature at the regions' places.
        override: Changes to the detector's config, merged into it as by ``--cfg-options``.

    Raises:
        FileNotFoundError: If the config file does not exist; names the nearest ones.
        ConfigKeyError: If the detector cannot be built, or it lacks a child in `trunk`; names the children. If a `pool`
            of regions cannot be built.
        ConfigError: If `pool` is unknown, or a setting of it is out of its range; if the detector does not encode point
            clouds alone, see `require_clouds`.
    """

    def __init__(
        self,
        detector: str | dict,
        feature: str | Sequence[str] | None = None,
        trunk: Sequence[str] | None = None,
        pool: str | dict = 'max',
        override: dict | None = None,
    ) -> None:
        super().__init__()
        self.features = [feature] if feature is None or isinstance(feature, str) else list(feature)
        self.pool = build_pool(pool)
        self.detector: Any = build_detector(detector, override)
        require_clouds(self.detector)
        widen_for_sync_norms(self.detector)
        self.data_preprocessor = self.detector.data_preprocessor
        # What is asked of the preprocessor is kept here: in STRL, it moves out of the encoder.
        self.point_cloud_range = range_of_voxels(self.data_preprocessor)  # where a BEV plane lies
        self.cloud_column = 0 if getattr(self.data_preprocessor, 'batch_first', True) else -1
        self.stacks_clouds = stacks_clouds(self.detector)
        self._keep_only(trunk)

    def _keep_only(self, trunk: Sequence[str] | None) -> None:
        """Replace the detector's children outside the trunk, and its data preprocessor, by `LeftOut`."""
        children = [name for name, _ in self.detector.named_children() if name != 'data_preprocessor']
        trunk = default_trunk(children) if trunk is None else trunk
        self.trunk = list(trunk)
        unknown = sorted(set(trunk) - set(children))
        if unknown:
            name = type(self.detector).__name__
            raise ConfigKeyError(f'trunk names {unknown}, which {name} lacks; its children are {children}')
        for name in {*children, 'data_preprocessor'} - set(trunk):
            setattr(self.detector, name, LeftOut())

    def forward(self, inputs: dict) -> Tensor:
        """Encode a batch.

        Args:
            inputs: The output of the detector's data preprocessor for B clouds, such as
                ``{'points': ..., 'voxels': ...}``. With ``regions``, the places B x (M_i, 3), if `pool` reads regions.

        Returns:
            (B, D), one vector per cloud; or (M_1 + ... + M_B, D), one per region. Without ``regions`` in eval mode, as
            when probes encode whole clouds, (B, D), the maximum over each cloud whatever `pool` is.

        Raises:
            ConfigKeyError: If `feature` is not in the detector's output; names the features that are.
            ConfigError: If `pool` reads regions, and a batch for training has none; if the detector needs clouds of the
                same size, and they differ; if it is unknown to which cloud the rows of a feature belong.
        """
        return self.vectors(self.extract(inputs), inputs)

    def extract(self, inputs: dict) -> Any:
        """Return the output of the detector's trunk for a batch, in which `feature` names what is used."""
        if 'voxels' in inputs:
            # Online and target network share a view, but some voxel encoders (PillarFeatureNet) write into their input.
            inputs = dict(inputs, voxels={name: tensor.clone() for name, tensor in inputs['voxels'].items()})
        return extract_features(self.detector, inputs, self.trunk)

    def vectors(self, features: Any, inputs: dict) -> Tensor:
        """Make the vectors of B clouds, or of their regions, from the trunk's output for them; see `forward`."""
        selected = [select(features, name) for name in self.features]
        regions = inputs.get('regions')
        if not isinstance(self.pool, str) and regions is not None:
            context = RegionContext(regions, features, self.point_cloud_range)
            return torch.cat([self.pool(feature, context) for feature in selected], dim=1)
        if not isinstance(self.pool, str) and self.training:
            raise ConfigError(
                f'pool={type(self.pool).__name__} reads regions, and the data has none: give MultiView '
                "pair=[dict(type='DrawRegions')] and pack them, Pack3DDetInputs(keys=['points', 'gt_bboxes_3d', "
                "'gt_labels_3d'])"
            )
        pool = self.pool if isinstance(self.pool, str) else 'max'
        # The tables of rows take time and, on a GPU, a synchronisation; planes and points (B, C, N) do without.
        has_rows = any(isinstance(feature, Tensor) and feature.ndim == 2 for feature in selected)
        rows = known_rows(inputs, features, self.cloud_column) if has_rows else ()
        return torch.cat([pool_clouds(feature, len(inputs['points']), pool, rows) for feature in selected], dim=1)


def build_pool(pool: str | dict) -> Any:
    """Return the name of a pooling, if it is known, or build the reader of regions of a config.

    Raises:
        ConfigError: If the name is unknown, or a setting of the reader is out of its range.
        ConfigKeyError: If the reader is unknown, or lacks a setting.
    """
    if not isinstance(pool, dict):
        if pool not in POOLINGS:
            raise ConfigError(
                f"pool is one of {sorted(POOLINGS)} or a dict such as dict(type='BEVRegions'), not '{pool}'"
            )
        return pool
    try:
        return MODELS.build(pool)
    except (KeyError, TypeError) as error:
        raise ConfigKeyError(f'pool=dict(type={pool.get("type")!r}, ...) could not be built: {error}') from error


def range_of_voxels(preprocessor: Any) -> Sequence[float] | None:
    """Return the range (x_min, ..., z_max) of a data preprocessor's voxels; None without voxels along the axes."""
    if getattr(preprocessor, 'voxel_type', None) not in ('hard', 'dynamic'):
        return None
    return getattr(getattr(preprocessor, 'voxel_layer', None), 'point_cloud_range', None)


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
        ConfigError: If it detects in images.
    """
    try:
        config = detector_config(detector, override)
        refuse_images(config.get('type'))
        return MODELS.build(config)
    except (FileNotFoundError, ConfigError):
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
    except FileNotFoundError as error:
        raise FileNotFoundError(missing_config(name, error)) from None
    if 'model' not in config:
        raise ConfigKeyError(f"the config '{name}' defines no model")
    return config.model


def missing_config(name: str, error: FileNotFoundError) -> str:
    """Say that a config file, or a base of it, does not exist; the nearest names, for a file of a package.

    Args:
        name: As of `load_model_config`.
        error: mmengine's, which names the file that it did not find.
    """
    unreadable = f"the config '{name}' cannot be read: {error}"
    if '::' not in name:
        return unreadable if Path(name).is_file() else f"no detector config '{name}': check the path"
    package, relative = name.split('::', 1)
    root = Path(get_installed_path(package)) / '.mim' / 'configs'
    if (root / relative).is_file():
        return unreadable
    there = [path.relative_to(root).as_posix() for path in root.rglob('*.py')]
    near = difflib.get_close_matches(relative, there, n=3, cutoff=0.4)
    nearest = '; the nearest are ' + ', '.join(f"'{package}::{path}'" for path in near) if near else ''
    return f"no detector config '{name}'{nearest}"
