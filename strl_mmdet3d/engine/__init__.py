"""What happens around the training step: the loop, ranks, optimizers, hooks."""

from . import distributed, hooks, optimizers, pretrain_loop
