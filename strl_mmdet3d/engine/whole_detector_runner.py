"""The Runner of a test: the checkpoint has every tensor of the detector."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError, StrlError
from .console import QuietRunner
from .run_start import reason_of
from .unwrapping import unwrapped_model, unwrapped_names


class WholeDetectorRunner(QuietRunner):
    """A `QuietRunner` that refuses a checkpoint of a part; mmengine only warns of what stays as it was initialised."""

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Load a checkpoint of the whole detector.

        Args:
            filename: The file, or its address.
            args: As in :class:`mmengine.runner.Runner`.
            kwargs: As in :class:`mmengine.runner.Runner`.

        Returns:
            Its content.

        Raises:
            ConfigError: If it cannot be loaded, or a tensor of the detector is missing in it or has another shape.
        """
        try:
            checkpoint = super().load_checkpoint(filename, *args, **kwargs)
            # By torch, which knows what the detector's layers make of older names.
            model = unwrapped_model(self)
            weights = unwrapped_names(checkpoint.get('state_dict', checkpoint))
            missing = model.load_state_dict(weights, strict=False).missing_keys
        except StrlError:
            raise
        except (AttributeError, RuntimeError, TypeError) as error:
            raise ConfigError(f'{filename} does not fit the detector, or is damaged: {reason_of(error)}') from error
        if missing:
            raise ConfigError(
                f'{filename} lacks {len(missing)} of the {len(model.state_dict())} tensors of the detector, such as '
                f'{missing[0]}: name a checkpoint that its training left, not a pre-trained encoder'
            )
        return checkpoint
