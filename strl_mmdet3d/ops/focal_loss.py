"""Focal losses over classes, with gradients, and mmdet's ``FocalLoss`` by them."""

from __future__ import annotations

import torch
from mmdet.models.losses.focal_loss import FocalLoss, sigmoid_focal_loss
from torch import Tensor

from .arrays import widen

# The CUDA kernels take the logarithm of no smaller probability: FLT_MIN of C.
SMALLEST = torch.finfo(torch.float32).tiny


def _log(probability: Tensor) -> Tensor:
    return probability.clamp(min=SMALLEST).log()


def _weight_of_rows(target: Tensor, weight: Tensor, num_classes: int) -> Tensor | float:
    """Return the weight of each row's class (N, 1), or 1 without weights. mmcv passes an empty tensor for None."""
    if len(target) and int(target.max()) > num_classes:
        raise ValueError(f'labels are at most the number of classes, {num_classes}, got {int(target.max())}')
    if weight.numel() == 0:
        return 1.0
    if ((target < 0) | (target == num_classes)).any():
        raise ValueError(
            f'class weights exist for labels in [0, {num_classes}), but some are background (-1 or {num_classes}): '
            'for these mmcv reads outside of the weights on a GPU. Leave the weights out'
        )
    return widen(weight.detach())[target][:, None]


def _sigmoid(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probabilities (N, C), and which of them belong to the row's label; background belongs to none."""
    probability = 1 / (1 + (-widen(input.detach())).exp())
    return probability, target[:, None] == torch.arange(input.shape[1])


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Compute the focal loss of one sigmoid per class.

    Args:
        input (Tensor): Logits, shape (N, C).
        target (Tensor): Labels in [0, C); C or any negative number is background, int64 (N,).
        weight (Tensor): Weight of each class, shape (C,), or empty.
        output (Tensor): Receives the losses, shape (N, C).
        gamma (float): Exponent of the focus on hard examples.
        alpha (float): Share of the labelled class in [0, 1]; the others get ``1 - alpha``.

    Raises:
        ValueError: If a label is greater than C, or background while there are weights.
    """
    factor = _weight_of_rows(target, weight, input.shape[1])
    p, labelled = _sigmoid(input, target)
    positive = -alpha * ((1 - p).pow(gamma) * _log(p))
    negative = -(1 - alpha) * (p.pow(gamma) * _log(1 - p))
    output.copy_(torch.where(labelled, positive, negative) * factor)


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the gradient of :func:`sigmoid_focal_loss_forward` for an output gradient of 1 to ``grad_input`` (N, C)."""
    factor = _weight_of_rows(target, weight, input.shape[1])
    p, labelled = _sigmoid(input, target)
    positive = -alpha * ((1 - p).pow(gamma) * (1 - p - gamma * p * _log(p)))
    negative = -(1 - alpha) * (p.pow(gamma) * (gamma * (1 - p) * _log(1 - p) - p))
    grad_input.copy_(torch.where(labelled, positive, negative) * factor)


def _softmax(softmax: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the rows with a label, their labels (M, 1), and their labels' weights (M, 1)."""
    rows = (target >= 0).nonzero().squeeze(1)
    labels = target[rows]
    num_classes = softmax.shape[1]
    if len(labels) and int(labels.max()) >= num_classes:
        raise ValueError(
            f'softmax_focal_loss takes labels below the number of classes, {num_classes}, and -1 for background, got '
            f'{int(labels.max())}'
        )
    factor = _weight_of_rows(labels, weight, num_classes)
    return rows, labels[:, None], torch.as_tensor(factor).expand(len(rows), 1)


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Compute the focal loss of each row's label.

    Args:
        softmax (Tensor): Probabilities, shape (N, C).
        target (Tensor): Labels in [0, C), or any negative number for background, whose loss is 0, int64 (N,).
        weight (Tensor): Weight of each class, shape (C,), or empty.
        output (Tensor): Receives the losses, shape (N,).
        gamma (float): Exponent of the focus on hard examples.
        alpha (float): Factor of the loss.

    Raises:
        ValueError: If a label is C or greater: for C, mmcv reads the next row's probability on a GPU.
    """
    rows, labels, factor = _softmax(softmax, target, weight)
    p = widen(softmax.detach())[rows].gather(1, labels)
    losses = -alpha * (1 - p).pow(gamma) * _log(p) * factor
    output.zero_()
    output[rows] = losses.squeeze(1).to(output.dtype)


def softmax_focal_loss_backward(
    softmax: Tensor, target: Tensor, weight: Tensor, buff: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the gradient of :func:`softmax_focal_loss_forward` by the logits to ``grad_input`` (N, C).

    ``buff`` (N,) receives the gradient by the logit of the label, divided by one minus its probability.
    """
    rows, labels, factor = _softmax(softmax, target, weight)
    probabilities = widen(softmax.detach())[rows]
    p = probabilities.gather(1, labels)
    slope = alpha * (-(1 - p).pow(gamma) + gamma * (1 - p).pow(gamma - 1) * p * _log(p)) * factor
    buff.zero_()
    buff[rows] = slope.squeeze(1).to(buff.dtype)
    labelled = (labels == torch.arange(softmax.shape[1])).to(slope.dtype)
    grad_input.zero_()
    grad_input[rows] = (slope * (labelled - probabilities)).to(grad_input.dtype)


def mmdet_focal_loss(
    loss: FocalLoss,
    pred: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    avg_factor: float | None = None,
    reduction_override: str | None = None,
) -> Tensor:
    """Compute mmdet's ``FocalLoss`` of logits and labels with mmcv's op, as on a GPU.

    On a CPU mmdet writes the labels as one-hot rows, which refuses -1, and takes a logarithm that does not stop at
    :data:`SMALLEST`.

    Args:
        loss (FocalLoss): The module.
        pred (Tensor): Logits, shape (N, C).
        target (Tensor): Labels in [0, C); C or any negative number is background, int64 (N,). One-hot rows (N, C) take
            mmdet's own path, as does a module whose input is activated.
        weight (Tensor | None): Weight of each row, shape (N,), or of each loss, shape (N, C).
        avg_factor (float | None): What the sum of the losses is divided by, instead of their number.
        reduction_override (str | None): 'none', 'mean' or 'sum', instead of the module's.

    Returns:
        Tensor: The loss.
    """
    if loss.activated or pred.dim() == target.dim():
        return FocalLoss.forward.__wrapped__(loss, pred, target, weight, avg_factor, reduction_override)
    losses = sigmoid_focal_loss(
        pred,
        target,
        weight,
        gamma=loss.gamma,
        alpha=loss.alpha,
        reduction=reduction_override or loss.reduction,
        avg_factor=avg_factor,
    )
    return loss.loss_weight * losses
