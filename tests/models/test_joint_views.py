"""Both views in one batch: the same loss and gradient where BatchNorm takes no statistics, or the same ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.optim import OptimWrapper
from tiny import pair_batch, tiny_runner, tiny_strl

from strl_mmdet3d.models.joint_views import join_views


@pytest.fixture
def models():
    """The same networks, apart and joint."""
    apart = MODELS.build(tiny_strl())
    apart.init_weights()
    joint = MODELS.build(tiny_strl(type='JointViewsSTRL'))
    joint.load_state_dict(apart.state_dict())
    return apart, joint


def losses_and_gradients(models, views, training):
    made = []
    for model in models:
        model.train(training)
        losses = model(**views, mode='loss')
        losses['loss'].backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.requires_grad])
        made.append((losses, gradient))
    return made


def test_joining_is_what_the_preprocessor_makes_of_all_clouds(models):
    batch = pair_batch(3)
    views = models[0].data_preprocessor(batch, True)
    points = [*batch['view_1']['inputs']['points'], *batch['view_2']['inputs']['points']]
    both = models[0].data_preprocessor.detector(dict(inputs=dict(points=points), data_samples=None), True)['inputs']
    joint = join_views(views['view_1'], views['view_2'])
    assert joint.keys() == both.keys()
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(joint['points'], both['points'], strict=True))
    assert joint['voxels'].keys() == both['voxels'].keys()
    for name, value in both['voxels'].items():
        assert torch.equal(joint['voxels'][name], value), name
    # What was joined is still what it was.
    assert int(views['view_2']['voxels']['coors'][:, 0].max()) == 2


def test_without_statistics_the_loss_and_its_gradient_are_the_same(models):
    views = models[0].data_preprocessor(pair_batch(4), True)
    (apart, gradient), (joint, joint_gradient) = losses_and_gradients(models, views, training=False)
    assert joint['loss'].item() == pytest.approx(apart['loss'].item(), rel=1e-5)
    torch.testing.assert_close(joint_gradient, gradient, rtol=1e-3, atol=1e-6)


def test_views_of_the_same_statistics_give_the_same_loss_in_training(models):
    batch = pair_batch(4)
    views = models[0].data_preprocessor(dict(view_1=batch['view_1'], view_2=batch['view_1']), True)
    (apart, gradient), (joint, joint_gradient) = losses_and_gradients(models, views, training=True)
    assert joint['loss'].item() == pytest.approx(apart['loss'].item(), rel=1e-4)
    torch.testing.assert_close(joint_gradient, gradient, rtol=1e-2, atol=1e-5)


def test_in_training_the_statistics_are_those_of_both_views(models):
    views = models[0].data_preprocessor(pair_batch(4), True)
    apart, joint = losses_and_gradients(models, views, training=True)
    assert joint[0]['loss'].item() != pytest.approx(apart[0]['loss'].item(), rel=1e-4)
    counts = [buffer for name, buffer in models[1].named_buffers() if name.endswith('num_batches_tracked')]
    assert {int(count) for count in counts} == {1}


def test_one_pair_is_enough_for_its_batchnorm_and_a_step_is_made(models):
    joint = models[1].train()
    before = joint.predictor[0].weight.clone()
    logs = joint.train_step(pair_batch(1), OptimWrapper(torch.optim.SGD(joint.parameters(), lr=0.1)))
    assert np.isfinite(logs['loss'].item())
    assert not torch.equal(joint.predictor[0].weight, before)


def test_what_cannot_be_joined_is_refused(models):
    views = models[1].data_preprocessor(pair_batch(2), True)
    with pytest.raises(ValueError, match='no local views'):
        models[1](**views, local_1=views['view_1'], mode='loss')
    for view in views.values():
        view['imgs'] = torch.zeros(2, 3, 8, 8)
    with pytest.raises(ValueError, match="cannot join the inputs 'imgs'"):
        models[1](**views, mode='loss')


def test_a_runner_trains_it(tmp_path):
    runner = tiny_runner(tmp_path, epochs=1, model=tiny_strl(type='JointViewsSTRL'))
    runner.train()
    assert runner.iter == 4
