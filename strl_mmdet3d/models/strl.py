"""STRL: BYOL on two temporally close frames (Huang et al., ICCV 2021, Algorithm 1)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from ..errors import ConfigError
from .data_preprocessor import PairDataPreprocessor
from .term_by_term import train_term_by_term


def byol_loss(prediction: Tensor, projection: Tensor) -> Tensor:
    """Squared distance of the normalised vectors, ``2 - 2 cos``, averaged over the batch (paper, Eq. 4).

    Args:
        prediction: (B, D), r(z_theta) of the online network; one row per cloud, or per region.
        projection: (B, D), z_phi of the target network.

    Returns:
        A scalar in [0, 4].
    """
    # In float32 even under autocast: near cos = 1, half precision has too few digits.
    return (2 - 2 * F.cosine_similarity(prediction.float(), projection.float(), dim=-1)).mean()


def contrastive_loss(prediction: Tensor, projection: Tensor, temperature: float) -> Tensor:
    """InfoNCE: each prediction should be nearer to its own projection than to the others of the batch.

    It is the loss of MoCo v3 (Chen et al., ICCV 2021, Alg. 1), with its factor 2 * temperature. On several ranks, the
    others are those of the same rank.

    Args:
        prediction: (B, D), r(z_theta) of the online network; one row per cloud, or per region.
        projection: (B, D), z_phi of the target network.
        temperature: Of the softmax over the cosines, above 0; 0.2 in MoCo v3 with a ViT, 1 with a ResNet.

    Returns:
        A scalar, at least 0; 2 * temperature * log(B) if all rows are the same.
    """
    with torch.autocast(prediction.device.type, enabled=False):  # in float32, as in `byol_loss`
        cosines = F.normalize(prediction.float(), dim=-1) @ F.normalize(projection.float(), dim=-1).T  # (B, B)
    own = torch.arange(len(cosines), device=cosines.device)
    return 2 * temperature * F.cross_entropy(cosines / temperature, own)


@MODELS.register_module()
class STRL(BaseModel):
    """Spatio-temporal representation learning.

    The online network (encoder, projector, predictor) learns to predict the target network's projection of the other
    view. The target network is a moving average of the online one: `TargetUpdateHook` updates it after each optimizer
    step. Only ``online_encoder`` is kept, see ``tools/export_encoder.py``.

    Args:
        encoder: The encoder e, e.g. a `DetectorEncoder`: the inputs of B clouds -> (B, D). If it reads regions (dense
            STRL), it gives one row per region, and B stands for the regions of the batch in all that follows.
        projector: The projector f: (B, D) -> (B, 256).
        predictor: The predictor r: (B, 256) -> (B, 256).
        contrast: The temperature, above 0, of `contrastive_loss` in the place of `byol_loss`; None keeps `byol_loss`,
            the paper's.

    Attributes:
        projections: View ('view_1', 'view_2', ...) -> its z_theta (B, 256) in the latest batch, detached, for hooks.

    Raises:
        ConfigError: If `contrast` is not above 0.
    """

    def __init__(self, encoder: dict, projector: dict, predictor: dict, contrast: float | None = None) -> None:
        if contrast is not None and not contrast > 0:
            raise ConfigError(f'STRL: contrast is a temperature above 0, or None, not {contrast}')
        online_encoder = MODELS.build(encoder)
        super().__init__(data_preprocessor=PairDataPreprocessor(online_encoder.data_preprocessor))
        online_encoder.data_preprocessor = None  # it serves the pair; the target needs no copy of it
        self.online_encoder = online_encoder
        self.online_projector = MODELS.build(projector)
        self.predictor = MODELS.build(predictor)
        self.target_encoder = copy.deepcopy(self.online_encoder).requires_grad_(False)
        self.target_projector = copy.deepcopy(self.online_projector).requires_grad_(False)
        self.contrast = contrast
        self.projections: dict[str, Tensor] = {}

    def __init_subclass__(cls) -> None:
        """Refuse a subclass with another `loss`: it would be trained on the sum of its `terms` all the same."""
        if 'loss' in vars(cls):
            raise TypeError(f'{cls.__name__} overrides loss: override terms, whose sum the loss is')

    def init_weights(self) -> None:
        """Initialise the online network, and start the target as its exact copy, buffers included."""
        super().init_weights()
        self.target_encoder.load_state_dict(self.online_encoder.state_dict())
        self.target_projector.load_state_dict(self.online_projector.state_dict())

    def forward(self, view_1: dict, view_2: dict, mode: str = 'tensor', **local_views: dict) -> dict | tuple:
        """Compute the loss (mode 'loss') or embed both views with the online encoder (mode 'tensor')."""
        if mode == 'loss':
            return self.loss(view_1, view_2, **local_views)
        if mode == 'tensor':
            return self.online_encoder(view_1), self.online_encoder(view_2)
        raise RuntimeError(f"STRL has the modes 'loss' and 'tensor', not '{mode}': it predicts no boxes")

    def loss(self, view_1: dict, view_2: dict, **local_views: dict) -> dict[str, Tensor]:
        """The total loss, the sum of `terms` (paper, Eq. 5). To change it, override `terms`."""
        return dict(loss=torch.stack(list(self.terms(view_1, view_2, **local_views))).sum())

    def terms(self, view_1: dict, view_2: dict, **local_views: dict) -> Iterator[Tensor]:
        """The terms of the loss one by one, each computed when it is asked for. No two share a graph.

        The paper has L(1 -> 2) and L(2 -> 1). Local views (SwAV's multi-crop, see `MultiView`) are our addition: both
        views are predicted from each. They come first, so that BatchNorm's running statistics end on whole views.

        Args:
            view_1: The detector's inputs for B >= 2 clouds.
            view_2: The same for the other frame of each pair.
            local_views: The same for local views of each pair, if any.

        Yields:
            Scalars in [0, 4].
        """
        if len(view_1['points']) < 2:
            raise ConfigError('STRL needs two pairs a batch, for BatchNorm: set train_dataloader.batch_size >= 2')
        with torch.no_grad():
            target_1 = self.target_projector(self.target_encoder(view_1))  # (B, 256)
            target_2 = self.target_projector(self.target_encoder(view_2))
        for name, view in local_views.items():
            yield self.compare(self.predict(name, view), target_1, target_2)
        yield self.compare(self.predict('view_1', view_1), target_2)
        yield self.compare(self.predict('view_2', view_2), target_1)

    def compare(self, prediction: Tensor, *projections: Tensor) -> Tensor:
        """The loss of predictions (B, 256), averaged over some projections (B, 256) of the same clouds or regions."""
        if self.contrast is None:
            return byol_loss(prediction.repeat(len(projections), 1), torch.cat(projections))
        return torch.stack([contrastive_loss(prediction, one, self.contrast) for one in projections]).mean()

    def predict(self, name: str, view: dict) -> Tensor:
        """r(z_theta) with z_theta = f_theta(e_theta(x)): (B, 256); z_theta is kept in ``projections[name]``."""
        projection = self.online_projector(self.encode(name, view))
        self.projections[name] = projection.detach()
        return self.predictor(projection)

    def encode(self, name: str, view: dict) -> Tensor:
        """e_theta(x): (B, D). A subclass that reads more of the trunk's output than its vectors does it here."""
        return self.online_encoder(view)

    def train_step(self, data: dict, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """One training step on `loss`; memory holds the activations of one view at a time."""
        return train_term_by_term(self, data, optim_wrapper)

    @torch.no_grad()
    def update_target(self, tau: float, buffers: bool = False) -> None:
        """Move the target: phi <- tau phi + (1 - tau) theta (paper, Eq. 3).

        Args:
            tau: How much of the target is kept, in [0, 1]. mmengine's EMA ``momentum`` is 1 - tau.
            buffers: Whether to average BatchNorm's running statistics too, as the authors' released code does. In the
                paper's reading they are the target's own.
        """
        online = nn.ModuleList([self.online_encoder, self.online_projector])
        target = nn.ModuleList([self.target_encoder, self.target_projector])
        torch._foreach_lerp_(list(target.parameters()), list(online.parameters()), 1 - tau)
        if buffers:
            for mine, theirs in zip(target.buffers(), online.buffers(), strict=True):
                # BatchNorm's count of batches is an integer.
                mine.lerp_(theirs, 1 - tau) if mine.is_floating_point() else mine.copy_(theirs)
