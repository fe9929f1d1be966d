"""What the import mends in mmdet3d: H3DNet's head."""

from __future__ import annotations

import copy

import pytest
import torch
from mmdet3d.models.roi_heads.bbox_heads import H3DBboxHead
from mmdet3d.registry import MODELS
from mmengine.hub import get_config


@pytest.fixture(scope='module')
def head():
    return MODELS.build(get_config('mmdet3d::h3dnet/h3dnet_8xb3_scannet-seg.py').model.roi_head.bbox_head)


@pytest.mark.parametrize('used', [lambda head: head, copy.deepcopy], ids=['built', 'copied'])
def test_h3dnets_head_may_add_in_place_to_its_first_layer(head, used):
    first = used(head).bbox_pred[0]
    features = torch.randn(2, first.in_channels, 5)
    added = first(features)
    added += 1  # as H3DBboxHead.forward does
    (slope,) = torch.autograd.grad(added.square().sum(), first.conv.weight)
    (expected,) = torch.autograd.grad((first(features) + 1).square().sum(), first.conv.weight)
    assert torch.equal(slope, expected)
    assert slope.any()


def test_h3dnets_head_is_the_stock_one_otherwise(head):
    settings = get_config('mmdet3d::h3dnet/h3dnet_8xb3_scannet-seg.py').model.roi_head.bbox_head
    settings.pop('type')
    stock = H3DBboxHead.__new__(H3DBboxHead)
    H3DBboxHead.__init__.__wrapped__(stock, **settings)
    stock.load_state_dict(head.state_dict())
    features = torch.randn(2, head.bbox_pred[0].in_channels, 5)
    assert torch.equal(stock.bbox_pred[0](features), head.bbox_pred[0](features))
    with pytest.raises(RuntimeError, match='modified by an inplace operation'):
        stock.bbox_pred[0](features).add_(1).sum().backward()
