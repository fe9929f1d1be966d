"""Mixed precision with mmdet3d's synchronised BatchNorm."""

from __future__ import annotations

import copy

import pytest
import torch
from mmdet3d.registry import MODELS
from torch import nn

from strl_mmdet3d.models.sync_norms import widen_for_sync_norms


@pytest.mark.parametrize(('name', 'convolution'), [('naiveSyncBN1d', nn.Conv1d), ('naiveSyncBN2d', nn.Conv2d)])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_it_takes_half_precision_and_gives_what_torchs_own_gives(name, convolution, dtype):
    torch.manual_seed(0)
    layers = nn.Sequential(convolution(3, 4, 1), MODELS.build(dict(type=name, num_features=4)))
    own = nn.Sequential(copy.deepcopy(layers[0]), nn.BatchNorm1d(4) if '1d' in name else nn.BatchNorm2d(4))
    x = torch.rand(2, 3, *[5] * (1 if '1d' in name else 2))
    with torch.autocast('cpu', dtype):
        if '2d' in name:  # the other refuses it over several processes only
            with pytest.raises(AssertionError, match='float32'):
                layers(x)
        widen_for_sync_norms(layers)
        found, expected = copy.deepcopy(layers)(x), own(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected.float(), atol=0.02, rtol=0.02)
    found.sum().backward()


def test_whole_precision_is_as_it_was():
    norm = MODELS.build(dict(type='naiveSyncBN2d', num_features=4))
    x = torch.rand(2, 4, 5, 5)
    before = norm(x)
    widen_for_sync_norms(norm)
    torch.testing.assert_close(norm(x), before, rtol=0, atol=0)
