"""STRL: BYOL on two temporally close frames (Huang et al., ICCV 2021, Sec. 3)."""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from torch import Tensor, nn

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
        self, view_1: dict, view_2: dict, mode: str = 'tensor', **local_views: dict
    ) -> dict[str, Tensor] | tuple[Tensor, Tensor]:
        """Compute the loss, or embed both views.

        Args:
            view_1: The detector's inputs for B clouds.
            view_2: The same for the other view of each pair.
            mode: 'loss' for training, 'tensor' for the two (B, D) outputs of the online encoder.
            local_views: The same for the local views of each pair, if any; see `loss`.

        Returns:
            The dict of `loss`, or the two embeddings.

        Raises:
            RuntimeError: If the mode is another one: STRL predicts nothing.
        """
        if mode == 'loss':
            return self.loss(view_1, view_2, **local_views)
        if mode == 'tensor':
            return self.online_encoder(view_1), self.online_encoder(view_2)
        raise RuntimeError(f"STRL has the modes 'loss' and 'tensor', not '{mode}'")

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
        if len(view_1['points']) < 2:
            raise ValueError(
                'STRL cannot train on a batch of one pair, because BatchNorm needs two: set '
                'train_dataloader.batch_size >= 2 (on each GPU, unless BatchNorm is synchronised), and drop_last=True'
            )
        with torch.no_grad():
            target_1 = self.target_projector(self.target_encoder(view_1))  # (B, 256)
            target_2 = self.target_projector(self.target_encoder(view_2))
        local_losses = [self._local_loss(view, target_1, target_2) for view in local_views.values()]
        # Behind the local views, so that BatchNorm's running statistics are rather those of whole views.
        online_1 = self.online_projector(self.online_encoder(view_1))
        online_2 = self.online_projector(self.online_encoder(view_2))

        loss_1_to_2 = byol_loss(self.predictor(online_1), target_2)
        loss_2_to_1 = byol_loss(self.predictor(online_2), target_1)
        spread = (projection_spread(online_1) + projection_spread(online_2)) / 2
        return dict(loss=loss_1_to_2 + loss_2_to_1 + sum(local_losses), spread=spread)

    def _local_loss(self, view: dict, target_1: Tensor, target_2: Tensor) -> Tensor:
        """Predict both views from a local one."""
        prediction = self.predictor(self.online_projector(self.online_encoder(view)))
        return (byol_loss(prediction, target_1) + byol_loss(prediction, target_2)) / 2

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


def _target_of(online: nn.Module) -> nn.Module:
    """A copy that never receives a gradient."""
    return copy.deepcopy(online).requires_grad_(False)
