"""How the kinds of mmdet3d's models encode point clouds: what their ``extract_feat`` takes, and which cannot."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from typing import Any

from mmdet.models import BaseDetector
from mmdet3d.models import (
    Base3DDetector,
    DGCNNBackbone,
    EncoderDecoder3D,
    H3DNet,
    ImVoteNet,
    ImVoxelNet,
    MVXTwoStageDetector,
    PointRCNN,
    SingleStageMono3DDetector,
)
from mmdet3d.models.detectors.single_stage import SingleStage3DDetector
from mmdet3d.registry import MODELS
from torch import nn

from ..errors import ConfigError
from .stack_clouds import stack_clouds

OUTSIDE_TRUNK = ('*_head', '*_head_*', 'loss_*', 'img_*', '*fusion_layer')
"""Names of the children that do not encode point clouds: heads, losses, and the branch of images."""

# These stack their clouds, which fails for clouds of unequal size. Subclasses inherit it.
STACKING = (SingleStage3DDetector.extract_feat, H3DNet.extract_feat, PointRCNN.extract_feat)

NO_IMAGES = 'STRL pre-trains what encodes point clouds'

SEEDS = ('seed_points', 'seed_features', 'seed_indices')
"""What ImVoteNet's point branch gives: (B, N, 3), (B, C, N) and (B, N)."""


def default_trunk(children: Iterable[str]) -> list[str]:
    """Return the names of a detector's children that encode point clouds."""
    return [name for name in children if not any(fnmatch(name, pattern) for pattern in OUTSIDE_TRUNK)]


def refuse_images(kind: Any) -> None:
    """Refuse a class of detectors that take images and no point clouds, before one is built.

    Args:
        kind: The class, or its name in the registry.

    Raises:
        ConfigError: Says so in one sentence.
    """
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    if not isinstance(kind, type):
        return
    is_2d = issubclass(kind, BaseDetector) and not issubclass(kind, Base3DDetector)  # mmdet's own
    if is_2d or issubclass(kind, (SingleStageMono3DDetector, ImVoxelNet)):
        raise ConfigError(f'{kind.__name__} detects in images, and {NO_IMAGES}')


def require_clouds(detector: nn.Module) -> None:
    """Refuse a model whose parts do not encode point clouds alone.

    Args:
        detector: The model as it was built.

    Raises:
        ConfigError: Says in one sentence what it needs besides.
    """
    name = type(detector).__name__
    children = [child for child, _ in detector.named_children()]
    if not hasattr(detector, 'extract_feat'):
        raise ConfigError(f'{name} has no extract_feat, by which a detector of mmdet3d encodes its input')
    asked_for = _asked_for(detector)
    if isinstance(detector, ImVoteNet):  # fuses images behind its features of points, which have a method of their own
        of_images = 'pts_backbone' not in children
    elif isinstance(detector, MVXTwoStageDetector):
        of_images = 'pts_voxel_encoder' not in children  # as DETR3D
    else:
        of_images = asked_for[:1] in (['img'], ['imgs'])
    if of_images:
        raise ConfigError(f'{name} detects in images, and {NO_IMAGES}')
    if isinstance(detector, ImVoteNet):
        return
    fusions = [part for part, _ in detector.named_modules() if part.rpartition('.')[2] == 'fusion_layer']
    if fusions:
        without = dict.fromkeys([child for child in children if child.startswith('img_')] + fusions)
        raise ConfigError(
            f'{name} fuses images into its point features, at {fusions[0]}, and {NO_IMAGES}: leave the images out by '
            f'override={without}, and set the in_channels of the part behind the fusion to what then comes in'
        )
    unknown = [argument for argument in asked_for[1:] if 'meta' not in argument]
    if unknown:
        raise ConfigError(f'{name}.extract_feat asks for {", ".join(unknown)}, which point clouds alone do not have')


def extract_features(detector: Any, inputs: dict, trunk: Sequence[str]) -> Any:
    """Run a detector's trunk on a batch.

    Args:
        detector: The detector.
        inputs: What its data preprocessor makes of B clouds.
        trunk: Names of the children in the trunk. With ``points_encoder`` among them (PV-RCNN), its outputs are added.

    Returns:
        The output of ``extract_feat``; where that is (None, features), as of an ``MVXTwoStageDetector`` without images,
        the features. Features of points are (B, C, N), also of ``DGCNNBackbone``, which has (B, N, C).

    Raises:
        ConfigError: If the detector stacks its clouds, and they differ in size.
    """
    clouds = inputs['points']
    if isinstance(detector, ImVoteNet):
        return dict(zip(SEEDS, detector.extract_pts_feat(stack_clouds(clouds)), strict=True))
    if 'voxels' not in inputs and isinstance(detector, EncoderDecoder3D):
        return _channels_second(detector, detector.extract_feat(stack_clouds(clouds)))
    if 'voxels' not in inputs and stacks_clouds(detector):
        stack_clouds(clouds)  # with our error, not torch's
    # mmdet3d's detectors of several modalities ask for the metainfo of the images.
    metas: list[list[dict]] = [[{} for _ in clouds] for _ in _asked_for(detector)[1:]]
    features = detector.extract_feat(inputs, *metas)
    if isinstance(features, tuple) and len(features) == 2 and features[0] is None:  # of images, and of points
        features = features[1]
    if 'points_encoder' in trunk:
        features = dict(features, **detector.extract_points_feat(inputs, features, None))
    return features


def stacks_clouds(detector: Any) -> bool:
    """Return whether a detector takes only clouds with the same number of points."""
    if isinstance(detector, EncoderDecoder3D):
        return not getattr(detector.data_preprocessor, 'voxel', False)
    return isinstance(detector, ImVoteNet) or type(detector).extract_feat in STACKING


def _asked_for(detector: Any) -> list[str]:
    """Return the names of the arguments that ``extract_feat`` must be given."""
    parameters = inspect.signature(detector.extract_feat).parameters.values()
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.kind in named and each.default is each.empty]


def _channels_second(segmentor: Any, features: Any) -> Any:
    """Return the features of points as (B, C, N), as all other backbones have them."""
    if not isinstance(segmentor.backbone, DGCNNBackbone):
        return features
    of_points = dict(
        gf_points=[points.transpose(1, 2) for points in features['gf_points']],
        fa_points=features['fa_points'].transpose(1, 2),
    )
    return dict(features, **of_points)
