"""A tiny detector with a pyramid of two levels, of which one is pooled: no gradient reaches the other."""

from __future__ import annotations

from collections.abc import Sequence

from mmdet3d.registry import DATASETS, MODELS
from mmdet3d.structures import Det3DDataSample
from mmengine.config import ConfigDict
from mmengine.dist import get_rank
from tiny import RandomPairs, tiny_detector, tiny_strl
from torch import Tensor

from strl_mmdet3d.models.strl import STRL

PART = 'neck.fpn_convs.1'
TENSORS = [
    f'{PART}.{name}'
    for name in (
        'conv.weight',
        'bn.weight',
        'bn.bias',
        'bn.running_mean',
        'bn.running_var',
        'bn.num_batches_tracked',
    )
]
DESCRIBED = f'{PART} (6 tensors, 2,336 parameters)'  # 16 x 16 x 3 x 3 + 16 + 16


def pyramid_detector() -> ConfigDict:
    """The tiny detector with mmdet's FPN for a neck."""
    detector = tiny_detector()
    detector.neck = dict(
        type='mmdet.FPN', in_channels=[8, 16], out_channels=16, num_outs=2, norm_cfg=dict(type='BN'), act_cfg=None
    )
    return detector


def pyramid_strl(**changes) -> ConfigDict:
    """STRL around it, which pools the first level."""
    encoder = dict(type='DetectorEncoder', detector=pyramid_detector(), feature='0')
    return tiny_strl(**(dict(encoder=encoder) | changes))


@DATASETS.register_module(force=True)
class SampledPairs(RandomPairs):
    """Random pairs with data samples, as packed pairs have them."""

    def __getitem__(self, index):
        return {name: dict(view, data_samples=Det3DDataSample()) for name, view in super().__getitem__(index).items()}


@MODELS.register_module(force=True)
class STRLInTurns(STRL):
    """Reads the second level too, in some micro-batches, counted from 0, and on some ranks."""

    def __init__(self, *args, turns: Sequence[int] = (), ranks: Sequence[int] = (0,), weight: float = 1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.turns, self.ranks, self.weight, self.views = turns, ranks, weight, 0

    def encode(self, name: str, view: dict) -> Tensor:
        features = self.online_encoder.extract(view)
        vectors = self.online_encoder.vectors(features, view)
        now, self.views = self.views // 2, self.views + 1
        return vectors + self.weight * features[1].mean() if now in self.turns and get_rank() in self.ranks else vectors
