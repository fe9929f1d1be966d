"""STRL: BYOL on two temporally close frames (Huang et al., ICCV 2021, Sec. 3)."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .data_preprocessor import PairDataPreprocessor


def byol_loss(prediction: Tensor, projection: Tensor) -> Tensor:
    """2 - 2 cos(prediction, projection), averaged over the batch (paper, Eq. 1).

    Args:
        prediction: (B, D), r(f_theta(e_theta(x_u))) of the online network.
        projection: (B, D), f_phi(e_phi(x_v)) of the target network.

    Returns:
        A scalar in [0, 4]: 0 where they point the same way, 4 where they point opposite ways.
    """
    # In float32, whatever autocast made of the networks: near cos = 1 half precision has too few digits.
    return (2 - 2 * F.cosine_similarity(prediction.float(), projection.float(), dim=-1)).mean()


@torch.no_grad()
def projection_spread(projections: Tensor) -> Tensor:
    """How far the projections of a batch are from having collapsed into one.

    Args:
        projections: (B, D).

    Returns:
        A scalar: the standard deviation over the batch of the normalised projections, averaged over the D channels and
        times sqrt(D). About 1 where they are spread over the sphere, 0 where all are the same.
    """
    unit = F.normalize(projections.float(), dim=-1)
    return unit.std(dim=0, unbiased=False).mean() * unit.shape[1] ** 0.5


@MODELS.register_module()
class STRL(BaseModel):
    """Spatio-temporal representation learning.

    The online network (encoder, projector, predictor) learns to predict the target network's projection of the other
    view. The target network is a moving average of the online one: `TargetUpdateHook` calls `update_target` after each
    step of the optimizer. Only ``online_encoder`` is kept: see ``tools/export_encoder.py``.

    Args:
        encoder: The encoder e, e.g. a `DetectorEncoder`: inputs of B clouds -> (B, D), with the detector's own
            ``data_preprocessor`` as an attribute.
        projector: The projector f: (B, D) -> (B, 256).
        predictor: The predictor r: (B, 256) -> (B, 256).
    """

    def __init__(self, encoder: dict, projector: dict, predictor: dict) -> None:
        online_encoder = MODELS.build(encoder)
        super().__init__(data_preprocessor=PairDataPreprocessor(online_encoder.data_preprocessor))
        # It belongs to the pair; left on the encoder, the target would own a copy of it too.
        online_encoder.data_preprocessor = None
        self.online_encoder = online_encoder
        self.online_projector = MODELS.build(projector)
        self.predictor = MODELS.build(predictor)
        self.target_encoder = _target_of(self.online_encoder)
        self.target_projector = _target_of(self.online_projector)

    def init_weights(self) -> None:
        """Initialise the online network, and start the target as its exact copy, buffers included."""
        super().init_weights()
        self.target_encoder.load_state_dict(self.online_encoder.state_dict())
        self.target_projector.load_state_dict(self.online_projector.state_dict())

    def forward(
        self, view_1: dict, view_2: Any, mode: str = 'tensor', **local_views: dict
    ) -> dict[str, Tensor] | tuple[Tensor, Tensor]:
        """Compute the loss or a term of it, or embed both views.

        Args:
            view_1: The detector's inputs for B clouds.
            view_2: The same for the other view of each pair; in mode 'term' the projections to predict.
            mode: 'loss' for the loss, 'term' for `predict`, 'tensor' for the two (B, D) outputs of the online encoder.
            local_views: The same for the local views of each pair, if any; see `loss`.

        Returns:
            The dict of `loss` or `predict`, or the two embeddings.

        Raises:
            RuntimeError: If the mode is another one: STRL predicts no boxes.
        """
        if mode == 'loss':
            return self.loss(view_1, view_2, **local_views)
        if mode == 'term':
            return self.predict(view_1, view_2)
        if mode == 'tensor':
            return self.online_encoder(view_1), self.online_encoder(view_2)
        raise RuntimeError(f"STRL has the modes 'loss', 'term' and 'tensor', not '{mode}'")

    def loss(self, view_1: dict, view_2: dict, **local_views: dict) -> dict[str, Tensor]:
        """The symmetric loss of a batch of pairs (paper, Eq. 1 and 2), and that of local views.

        The paper has no local views. Where `MultiView` makes some (crops of few points, as the multi-crop of SwAV,
        Caron et al., NeurIPS 2020), the online network predicts from each the target's projections of both views:
        (l(local -> 1) + l(local -> 2)) / 2. What they gain on small data is in docs/small_data.md.

        Args:
            view_1: The detector's inputs for B >= 2 clouds.
            view_2: The same for the other view of each pair.
            local_views: The same for L >= 0 local views of each pair.

        Returns:
            ``loss``: l(1 -> 2) + l(2 -> 1) and the terms of the local views, in [0, 8 + 4 L]; ``spread``: see
            `projection_spread`.

        Raises:
            ValueError: If B is 1: BatchNorm in the projector then has nothing to take statistics of.
        """
        terms = [self.predict(*task) for task in self.tasks(view_1, view_2, **local_views)]
        return sum_of_terms(terms)

    def tasks(self, view_1: dict, view_2: dict, **local_views: dict) -> list[tuple[dict, list[Tensor]]]:
        """Tell what is predicted from what; the terms of the loss, none of which shares a graph with another.

        The target network projects both views here, without a gradient.

        Args:
            view_1: As in `loss`.
            view_2: As in `loss`.
            local_views: As in `loss`.

        Returns:
            A view and the projections (B, 256) to predict from it, for each local view, view 1 and view 2. The local
            ones come first, so that BatchNorm's running statistics are rather those of whole views.

        Raises:
            ValueError: If B is 1.
        """
        if len(view_1['points']) < 2:
            raise ValueError(
                'STRL cannot train on a batch of one pair, because BatchNorm needs two: set '
                'train_dataloader.batch_size >= 2 (on each GPU, unless BatchNorm is synchronised), and drop_last=True'
            )
        with torch.no_grad():
            target_1 = self.target_projector(self.target_encoder(view_1))  # (B, 256)
            target_2 = self.target_projector(self.target_encoder(view_2))
        local_tasks = [(view, [target_1, target_2]) for view in local_views.values()]
        return [*local_tasks, (view_1, [target_2]), (view_2, [target_1])]

    def predict(self, view: dict, targets: list[Tensor]) -> dict[str, Tensor]:
        """Predict the target's projections of other views from one view: one term of the loss.

        Args:
            view: The detector's inputs for B clouds.
            targets: Projections (B, 256), one of each other view.

        Returns:
            ``loss``: the mean of `byol_loss` over the targets; ``spread``: of the online projections.
        """
        online = self.online_projector(self.online_encoder(view))  # (B, 256)
        prediction = self.predictor(online)
        losses = [byol_loss(prediction, target) for target in targets]
        return dict(loss=torch.stack(losses).mean(), spread=projection_spread(online))

    @property
    def has_loss_of_its_own(self) -> bool:
        """Whether a subclass has another `loss`. It is trained on that as a whole, not term by term."""
        return type(self).loss is not STRL.loss

    def train_step(
        self, data: dict, optim_wrapper: OptimWrapper, ranks: DistributedDataParallel | None = None
    ) -> dict[str, Tensor]:
        """Make one step, with the graph of one view at a time.

        The terms of the loss share no graph. So the gradient of each is taken before the next is computed, and memory
        holds the activations of one view, not of all. The gradient is that of `loss`.

        Args:
            data: What the dataloader gives.
            optim_wrapper: The optimizer's wrapper; it counts this as one backward pass, whatever the number of terms.
            ranks: What wraps this model on several ranks. The last term runs through it, and then it averages what all
                terms have added to the gradient.

        Returns:
            ``loss`` and ``spread``, as `loss` has them, detached.
        """
        if self.has_loss_of_its_own:
            return super().train_step(data, optim_wrapper)
        with optim_wrapper.optim_context(self):
            *tasks, last = self.tasks(**self.data_preprocessor(data, True))
        terms = []
        for task in tasks:
            with optim_wrapper.optim_context(self):
                term = self.predict(*task)
            backward_uncounted(term['loss'], optim_wrapper)
            terms.append({name: value.detach() for name, value in term.items()})
            del term  # and with it the graph
        model = self if ranks is None else ranks
        with optim_wrapper.optim_context(model):
            term = model(*last, mode='term')
        optim_wrapper.update_params(term['loss'])
        terms.append({name: value.detach() for name, value in term.items()})
        return sum_of_terms(terms)

    @torch.no_grad()
    def update_target(self, tau: float, buffers: bool = False) -> None:
        """Move the target towards the online network: phi <- tau phi + (1 - tau) theta (paper, Eq. 3).

        Args:
            tau: How much of the target is kept, in [0, 1]. mmengine's EMA ``momentum`` is 1 - tau.
            buffers: Whether the running statistics of BatchNorm are averaged too, as in the authors' released code.
                In the paper's reading they are the target's own, from its own forward passes.
        """
        for online, target in (
            (self.online_encoder, self.target_encoder),
            (self.online_projector, self.target_projector),
        ):
            # A lerp by 1 - tau is the update in one pass over the parameters.
            torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), 1 - tau)
            if buffers:
                for mine, theirs in zip(target.buffers(), online.buffers(), strict=True):
                    if mine.is_floating_point():
                        mine.lerp_(theirs, 1 - tau)
                    else:  # BatchNorm's count of batches
                        mine.copy_(theirs)


def sum_of_terms(terms: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Sum the losses of all terms; the spread is the mean of the last two, which are those of whole views."""
    return dict(
        loss=torch.stack([term['loss'] for term in terms]).sum(),
        spread=torch.stack([term['spread'] for term in terms[-2:]]).mean(),
    )


def backward_uncounted(loss: Tensor, optim_wrapper: OptimWrapper) -> None:
    """Add the gradient of a part of a step's loss, scaled as the wrapper would scale the whole.

    A wrapper counts its backward passes to know when accumulated gradients make a step; a part must not count.
    """
    count = optim_wrapper._inner_count
    optim_wrapper.backward(optim_wrapper.scale_loss(loss))
    optim_wrapper._inner_count = count


def _target_of(online: nn.Module) -> nn.Module:
    """A copy that never receives a gradient."""
    return copy.deepcopy(online).requires_grad_(False)
