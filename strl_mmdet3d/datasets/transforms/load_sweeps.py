"""Loading a lidar frame together with the sweeps before it, as detectors on nuScenes and Lyft see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet3d.datasets.transforms import LoadPointsFromMultiSweeps
from mmdet3d.registry import TRANSFORMS

from ...errors import ConfigError
from ..readers.frame_file import UnusablePairError
from .load_frame import LoadFrame

LAG_COLUMN = 4
"""Where mmdet3d's base class writes the time lag."""


@TRANSFORMS.register_module()
class LoadSweeps(LoadPointsFromMultiSweeps):
    """Load a frame and the sweeps before it, in the frame's axes, with the time lag as the last value of a point.

    It is mmdet3d's ``LoadPointsFromMultiSweeps``, but reads each file as `LoadFrame` does, which refuses damaged ones,
    and stands in its place. The stock nuScenes configs take nine sweeps (``sweeps=9`` of `TemporalPairDataset`). The
    index must list every sweep: build it with ``--key-frame-every 1``.

    Required Keys:

    - lidar_points (dict): As of `LoadFrame`
    - timestamp (float): Seconds
    - lidar_sweeps (list[dict], optional): The sweeps, each with ``lidar_points`` (with ``lidar_path`` and
      ``lidar2sensor``, as mmdet3d's infos have it; and ``frame_path``, the name of the frame in the list of those that
      cannot be used) and ``timestamp``

    Added Keys:

    - points (:obj:`BasePoints`): (N, len(use_dim) + 1), metres, the last value in seconds before the frame: 0 for the
      frame's own points

    Args:
        load_dim (int): As of `LoadFrame`. Defaults to 5, nuScenes' with the ring.
        use_dim (int | list[int] | list[str]): As of `LoadFrame`, four values. Defaults to 4.
        intensity_scale (float | None): As of `LoadFrame`.
        pad_empty_sweeps (bool): Whether a frame without sweeps takes its own points as often, as the stock configs do.
            Defaults to True.
        remove_close (bool): Whether points within a metre of the sensor, the car itself, are left out of the sweeps.
            Defaults to True, as in the stock configs.
        sweeps_num (int): At most this many of the sweeps are taken; fewer are drawn. Defaults to 9.

    Raises:
        CorruptFrameError: As of `LoadFrame`; it names the sweep at fault.
        ConfigError: As of `LoadFrame`; if `use_dim` has another number of values; when loading, without ``timestamp``.
    """

    def __init__(
        self,
        load_dim: int = 5,
        use_dim: int | Sequence[int | str] = 4,
        intensity_scale: float | None = None,
        pad_empty_sweeps: bool = True,
        remove_close: bool = True,
        sweeps_num: int = 9,
    ) -> None:
        self.loader = LoadFrame('LIDAR', load_dim, use_dim, intensity_scale, time_lag=True)
        values = use_dim if isinstance(use_dim, int) else len(use_dim)
        if values != LAG_COLUMN:
            raise ConfigError(f'LoadSweeps puts the time lag behind {LAG_COLUMN} values, got use_dim={use_dim}')
        width = LAG_COLUMN + 1
        super().__init__(sweeps_num, width, list(range(width)), None, pad_empty_sweeps, remove_close)
        self._facts: dict[str, Any] = {}
        self._frame_paths: dict[str, str] = {}

    def transform(self, results: dict) -> dict:
        """Load the frame, and add the points of its sweeps."""
        if 'timestamp' not in results:
            path = results.get('lidar_points', {}).get('lidar_path', 'a frame')
            raise ConfigError(
                f'LoadSweeps got {path} without its time: set dataset.sweeps, 9 in the stock nuScenes configs, or load '
                'single frames with LoadFrame'
            )
        results = self.loader(results)
        # What the index says of the frame holds for its sweeps.
        self._facts = {key: value for key, value in results['lidar_points'].items() if key != 'lidar_path'}
        points = [sweep['lidar_points'] for sweep in results.get('lidar_sweeps', ())]
        self._frame_paths = {one['lidar_path']: one.get('frame_path', one['lidar_path']) for one in points}
        return super().transform(results)

    def _load_points(self, pts_filename: str) -> np.ndarray:
        """Read and check a sweep; the values are flat, as the base class expects them."""
        try:
            results = self.loader(dict(lidar_points=dict(self._facts, lidar_path=pts_filename)))
        except UnusablePairError as error:
            error.frame_path = self._frame_paths[pts_filename]
            raise
        return results['points'].tensor.numpy().reshape(-1)
