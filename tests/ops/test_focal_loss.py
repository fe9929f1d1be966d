"""Focal losses against their definition, with the labels of background that detectors use."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mmcv.ops import sigmoid_focal_loss, softmax_focal_loss
from mmdet.models.losses import FocalLoss

import strl_mmdet3d.ops  # noqa: F401

CLASSES = 3


def examples(seed, low, high, rows=12):
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(rows, CLASSES, dtype=torch.double, generator=generator)
    return logits.requires_grad_(), torch.randint(low, high + 1, (rows,), generator=generator)


def sigmoid_reference(logits, labels, gamma, alpha):
    one_hot = (labels[:, None] == torch.arange(CLASSES)).double()
    miss = torch.where(one_hot > 0, 1 - logits.sigmoid(), logits.sigmoid())
    share = torch.where(one_hot > 0, alpha, 1 - alpha)
    return share * miss**gamma * F.binary_cross_entropy_with_logits(logits, one_hot, reduction='none')


def softmax_reference(logits, labels, gamma, alpha):
    log_p = logits.log_softmax(dim=1).gather(1, labels.clamp(min=0)[:, None]).squeeze(1)
    return -alpha * (1 - log_p.exp()) ** gamma * log_p * (labels >= 0)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    gamma=st.floats(0, 3),
    alpha=st.floats(0, 1),
    weighted=st.booleans(),
    reduction=st.sampled_from(['none', 'mean', 'sum']),
)
@pytest.mark.parametrize(
    ('op', 'reference', 'highest'),
    [(sigmoid_focal_loss, sigmoid_reference, CLASSES), (softmax_focal_loss, softmax_reference, CLASSES - 1)],
    ids=['sigmoid', 'softmax'],
)
def test_agrees_with_the_definition(op, reference, highest, seed, gamma, alpha, weighted, reduction):
    # Sigmoid: -1 and the number of classes are background. Softmax: -1 is.
    logits, labels = examples(seed, -1, highest)
    weight = None
    if weighted:
        labels = labels.clamp(0, CLASSES - 1)
        weight = torch.linspace(0.5, 2, CLASSES, dtype=torch.double)
    out = op(logits, labels, gamma, alpha, weight, reduction)
    expected = reference(logits, labels, gamma, alpha)
    if weighted:
        expected = expected * weight[labels].view(-1, *[1] * (expected.dim() - 1))
    if reduction != 'none':
        expected = expected.sum() / (len(labels) if reduction == 'mean' else 1)
    torch.testing.assert_close(out, expected)
    if op is softmax_focal_loss and reduction == 'none':
        return  # mmcv's own backward fails for it, on a GPU too
    torch.testing.assert_close(
        torch.autograd.grad(out.sum(), logits), torch.autograd.grad(expected.sum(), logits), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize(('op', 'highest'), [(sigmoid_focal_loss, CLASSES), (softmax_focal_loss, CLASSES - 1)])
def test_gradients_are_the_slopes(op, highest):
    logits, labels = examples(0, -1, highest)
    assert torch.autograd.gradcheck(lambda x: op(x, labels, 2.0, 0.25, None, 'mean'), logits)


def test_losses_and_gradients_of_saturated_logits_are_finite():
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    for op in (sigmoid_focal_loss, softmax_focal_loss):
        loss = op(logits, torch.tensor([1, 1]), 2.0, 0.25, None, 'sum')
        assert loss.isfinite()
        assert torch.autograd.grad(loss, logits)[0].isfinite().all()
    # As on a GPU, no logarithm is smaller than that of the smallest float32.
    loss = sigmoid_focal_loss(logits, torch.tensor([1, 1]), 2.0, 0.25, None, 'none')
    torch.testing.assert_close(loss[0], torch.tensor([0.75, 0.25]) * 87.3365)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    logits, labels = examples(0, 0, CLASSES - 1)
    narrow = logits.detach().to(dtype).requires_grad_()
    out = sigmoid_focal_loss(narrow, labels, 2.0, 0.25, None, 'none')
    assert out.dtype == dtype
    wide = narrow.detach().float().requires_grad_()
    expected = sigmoid_focal_loss(wide, labels, 2.0, 0.25, None, 'none')
    assert torch.equal(out, expected.to(dtype))
    expected.sum().backward()
    out.sum().backward()
    assert torch.equal(narrow.grad, wide.grad.to(dtype))


def test_no_rows():
    for op in (sigmoid_focal_loss, softmax_focal_loss):
        logits = torch.zeros(0, CLASSES, requires_grad=True)
        op(logits, torch.zeros(0, dtype=torch.long), 2.0, 0.25, None, 'sum').backward()
        assert logits.grad.shape == (0, CLASSES)


@pytest.mark.parametrize(
    ('op', 'label', 'weight', 'message'),
    [
        (sigmoid_focal_loss, CLASSES + 1, None, 'at most the number of classes, 3, got 4'),
        (sigmoid_focal_loss, CLASSES, torch.ones(CLASSES), 'some are background'),
        (sigmoid_focal_loss, -1, torch.ones(CLASSES), 'some are background'),
        (softmax_focal_loss, CLASSES, None, 'below the number of classes, 3, and -1 for background, got 3'),
    ],
)
def test_labels_without_a_meaning_are_refused(op, label, weight, message):
    with pytest.raises(ValueError, match=message):
        op(torch.zeros(1, CLASSES), torch.tensor([label]), 2.0, 0.25, weight, 'none')


@pytest.mark.parametrize('background', [-1, CLASSES])
@pytest.mark.parametrize('weighted', [False, True])
def test_mmdet_focal_loss_takes_background(background, weighted):
    logits, labels = examples(0, -1, CLASSES - 1)
    weight = torch.linspace(0, 1, len(labels), dtype=torch.double) if weighted else None
    labels = labels.masked_fill(labels < 0, background)
    assert (labels == background).any()
    loss = FocalLoss(gamma=1.5, alpha=0.3, loss_weight=2.0)(logits, labels, weight, avg_factor=5.0)
    expected = sigmoid_reference(logits, labels, 1.5, 0.3) * (1 if weight is None else weight[:, None])
    expected = 2 * expected.sum() / 5
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, logits), torch.autograd.grad(expected, logits))


def test_mmdet_focal_loss_keeps_its_other_ways():
    logits, labels = examples(0, 0, CLASSES - 1)
    one_hot = F.one_hot(labels, CLASSES)
    loss = FocalLoss()
    torch.testing.assert_close(loss(logits, one_hot), loss(logits, labels))
    assert loss(logits, labels, reduction_override='none').shape == logits.shape
    torch.testing.assert_close(FocalLoss(activated=True)(logits.sigmoid(), labels), loss(logits, labels))
