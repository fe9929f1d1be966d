"""STRL with heads beside it: the sum of both, from one forward pass for each view."""

from __future__ import annotations

import pytest
import torch
from mmdet3d.registry import MODELS
from test_plane_prediction import marked
from tiny import pair_batch, tiny_strl

from strl_mmdet3d.errors import ConfigError

HEADS = dict(occupancy=dict(type='OccupancyHead'), motion=dict(type='MotionHead'))


def tiny_both(**changes):
    return tiny_strl(type='STRLWithHeads', in_channels=16, heads=HEADS, patch=2.0, share=0.5, **changes)


def test_each_term_is_strls_with_the_heads_losses_on_its_view():
    model = MODELS.build(tiny_both())
    model.init_weights()
    torch.manual_seed(0)
    views = model.data_preprocessor(marked(pair_batch()), True)
    model.eval()  # BatchNorm as in the comparison
    terms = list(model.terms(**views))
    target = [model.target_projector(model.target_encoder(view)) for view in views.values()]
    assert len(terms) == 2
    for term, view, other, projection in zip(
        terms, views.values(), list(views.values())[::-1], target[::-1], strict=True
    ):
        prediction = model.predictor(model.online_projector(model.online_encoder(view)))
        plane = model.online_encoder.extract(view)[0]
        heads = [head.loss(plane, view, other) for head in model.heads.values()]
        torch.testing.assert_close(term, model.compare(prediction, projection) + sum(heads))


def test_a_step_trains_the_heads_and_runs_the_online_trunk_once_a_view(tmp_path):
    from tiny import tiny_runner

    runner = tiny_runner(tmp_path, epochs=1, length=2, model=tiny_both())
    model, calls = runner.model, []
    model.online_encoder.detector.backbone.register_forward_hook(lambda *_: calls.append(1))
    before = [parameter.clone() for parameter in model.heads.parameters()]
    optimizer = runner.build_optim_wrapper(dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)))
    model.train_step(marked(pair_batch(2)), optimizer)
    assert len(calls) == 2
    assert all(not torch.equal(old, new) for old, new in zip(before, model.heads.parameters(), strict=True))
    assert set(model.projections) == {'view_1', 'view_2'}


def test_a_temporal_head_is_refused_since_views_lie_in_axes_of_their_own():
    heads = dict(occupancy=dict(type='OccupancyHead', temporal=True))
    with pytest.raises(ConfigError, match=r'heads\.occupancy cannot predict the other one'):
        MODELS.build(tiny_strl(type='STRLWithHeads', in_channels=16, heads=heads))


def test_local_views_are_refused():
    model = MODELS.build(tiny_both())
    views = model.data_preprocessor(marked(pair_batch()), True)
    with pytest.raises(ConfigError, match='has no local views'):
        list(model.terms(**views, local_1=views['view_1']))
