"""Encoding in the middle of a training: the right features, and no effect on the training."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from tiny import pair_batch, tiny_strl

from strl_mmdet3d.evaluation.online_encoding import encode_online, training_untouched


def drawn():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_modes_generators_and_buffers_are_put_back():
    model = MODELS.build(tiny_strl())
    model.train()
    model.online_encoder.detector.backbone.eval()  # frozen
    modes = [module.training for module in model.modules()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    expected = drawn()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])

    with training_untouched(model):
        assert not any(module.training for module in model.modules())
        drawn()
        torch.manual_seed(7)
        features = encode_online(model, pair_batch()['view_1']['inputs']['points'], batch_size=2)
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    assert np.isfinite(features).all()
    assert drawn() == expected
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_all_is_put_back_after_an_error_too():
    model = MODELS.build(tiny_strl())
    model.train()
    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match='must match'), training_untouched(model):
        torch.rand(3) + torch.rand(2)
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('batch_size', [1, 2, 5, 9])
def test_features_are_those_of_the_online_encoder(batch_size):
    model = MODELS.build(tiny_strl())
    batch = pair_batch(5)
    with training_untouched(model):
        inputs = model.data_preprocessor(batch, False)
        expected = model(**inputs, mode='tensor')[0].numpy()
        features = encode_online(model, iter(batch['view_1']['inputs']['points']), batch_size)
    assert features.shape == (5, 16)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
