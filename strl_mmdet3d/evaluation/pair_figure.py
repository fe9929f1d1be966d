"""Pictures of training pairs: the two raw frames, and the views that the model gets of them.

Lidar points are drawn from above, other clouds in an oblique projection. For depth frames, the depth images are drawn,
and the views from above and from the side. Points are coloured by height, depth images by depth. Needs the extra 'vis'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from mmdet3d.registry import DATA_SAMPLERS, DATASETS
from mmdet3d.structures import BasePoints, LiDARPoints
from mmengine.config import Config
from torch.utils.data import Dataset

from ..datasets import MultiView, PairKey, PairSampler
from ..datasets.readers.depth_image import read_depth
from ..datasets.temporal_pair_dataset import pair_datasets
from ..datasets.transforms.views import VIEWS
from ..errors import ConfigError
from .figure_text import one_line, plain_text

SHOWN_SHARE = 99.0  # per cent of the points inside the picture's limits; far returns would shrink the others
MARGIN = 0.1  # on each side, as a share of the points' extent: the paper's view transform shifts a cloud by up to this
PANEL_WIDTH = 7.0  # inches
OBLIQUE_ELEVATION, OBLIQUE_AZIMUTH = 25, -60  # degrees; the direction to the eye in an oblique projection


@dataclass
class RawFrame:
    """A frame as it was loaded.

    Attributes:
        points: Its points; lidar points before alignment.
        depth_path: Its depth image, or None.
    """

    points: BasePoints
    depth_path: str | None


class FrameRecorder:
    """A transform at the end of the load stage that keeps every frame.

    Attributes:
        frames: The frames loaded so far. The last two belong to the last pair.
    """

    def __init__(self) -> None:
        self.frames: list[RawFrame] = []

    def __call__(self, view: dict) -> dict:
        """Keep the frame."""
        self.frames.append(RawFrame(view['points'].clone(), view.get('depth_frame', {}).get('depth_path')))
        return view


def build_recorded_dataset(config: Config) -> tuple[Dataset, PairSampler, FrameRecorder]:
    """Build the training set and the sampler of a config as `build_pairs` does, and record the set's raw frames."""
    dataset, sampler, stages = build_pairs(config)
    recorder = FrameRecorder()
    for stage in stages:
        stage.load.transforms.append(recorder)
    return dataset, sampler, recorder


def build_pairs(config: Config) -> tuple[Dataset, PairSampler, list[MultiView]]:
    """Build the training set and the sampler of a config as the Runner does.

    Args:
        config: The pre-training config, read in mmdet3d's scope.

    Returns:
        The training set, the sampler, and the first `MultiView` of each of the set's pair data sets.

    Raises:
        ConfigError: If the config does not train on pairs of views.
    """
    dataset = DATASETS.build(config.train_dataloader.dataset)
    seed = config.get('randomness', {}).get('seed') or 0
    sampler = DATA_SAMPLERS.build(config.train_dataloader.sampler, default_args={'dataset': dataset, 'seed': seed})
    parts = list(pair_datasets(dataset))  # several, in a ConcatDataset
    if not parts or not isinstance(sampler, PairSampler):
        raise ConfigError('train_dataloader needs a TemporalPairDataset and a PairSampler')
    stages = []
    for part in parts:
        views = [stage for stage in part.pipeline.transforms if isinstance(stage, MultiView)]
        if not views:
            raise ConfigError('the pipeline of train_dataloader.dataset needs a MultiView')
        stages.append(views[0])
    return dataset, sampler, stages


@plain_text
def draw_pair(dataset: Dataset, key: PairKey, recorder: FrameRecorder) -> Figure:
    """Draw one pair of a training set, whose raw frames the recorder keeps.

    The raw frames are above, the views below, view 1 on the left. All clouds have the same limits.
    """
    pair = dataset[key]
    sources = [pair[view]['data_samples'].metainfo for view in VIEWS]
    views = [pair[view]['inputs']['points'][:, :3].numpy() for view in VIEWS]
    frames = recorder.frames[-2:]
    draw = draw_depth_pair if all(frame.depth_path for frame in frames) else draw_cloud_pair
    mode = ' or '.join(sorted({part.mode for part in pair_datasets(dataset)}))
    titles = [f'frame {source["frame_index"]}: {one_line(source["frame_path"])}' for source in sources]
    figure = draw(frames, titles, views)
    figure.suptitle(
        f'{one_line(sources[0]["sequence_id"])}: item {key.index}, epoch {key.epoch}, seed {key.seed}, mode {mode!r}, '
        f'{sources[0]["num_redraws"]} unusable pairs before it'
    )
    return figure


def draw_cloud_pair(frames: list[RawFrame], titles: list[str], views: list[np.ndarray]) -> Figure:
    """Draw two point clouds with their titles, and below them the points (N, 3) of the two views."""
    raw = [frame.points.coord.numpy() for frame in frames]
    panels = zip([*titles, *(name.replace('_', ' ') for name in VIEWS)], [*raw, *views], strict=True)
    limits = shown_limits(raw)
    from_above = all(isinstance(frame.points, LiDARPoints) for frame in frames)
    height = panel_height(limits, 'xy') if from_above else PANEL_WIDTH

    figure = Figure(figsize=(2 * PANEL_WIDTH + 1, 2 * height + 1.5), layout='constrained')
    all_axes = figure.subplots(2, 2, subplot_kw={} if from_above else {'projection': '3d'})
    for axes, (title, coords) in zip(all_axes.flat, panels, strict=True):
        mappable = draw_points(axes, coords, limits) if from_above else draw_oblique(axes, coords, limits)
        axes.set_title(f'{title}\n{len(coords)} points', fontsize=8)
    figure.colorbar(mappable, ax=all_axes, label='z [m]', aspect=40)
    return figure


def draw_depth_pair(frames: list[RawFrame], titles: list[str], views: list[np.ndarray]) -> Figure:
    """Draw two depth images with their titles, and below them the points (N, 3) of the views."""
    limits = shown_limits(views)
    images = [np.ma.masked_equal(read_depth(path), 0) for frame in frames if (path := frame.depth_path)]
    heights = [PANEL_WIDTH * images[0].shape[0] / images[0].shape[1], *(panel_height(limits, p) for p in ('xy', 'xz'))]
    figure = Figure(figsize=(2 * PANEL_WIDTH + 1, sum(heights) + 2), layout='constrained')
    rows = figure.subplots(3, 2, height_ratios=heights)
    farthest = max(image.max() for image in images)
    for axes, image, title, frame in zip(rows[0], images, titles, frames, strict=True):
        shown = axes.imshow(image, cmap='viridis_r', vmin=0, vmax=farthest)
        axes.set_title(f'{title}\n{len(frame.points)} points', fontsize=8)
        axes.set_axis_off()
    figure.colorbar(shown, ax=rows[0], label='depth, as stored', aspect=20)
    for row, plane, where in zip(rows[1:], ('xy', 'xz'), ('above', 'the side'), strict=True):
        for axes, name, coords in zip(row, VIEWS, views, strict=True):
            mappable = draw_points(axes, coords, limits, plane)
            axes.set_title(f'{name.replace("_", " ")}, from {where}\n{len(coords)} points', fontsize=8)
    figure.colorbar(mappable, ax=rows[1:], label='z [m]', aspect=40)
    return figure


def shown_limits(clouds: list[np.ndarray]) -> np.ndarray:
    """Return the lower and upper corner (2, 3) of the box to show: nearly all points of the clouds, and a margin."""
    lower, upper = np.percentile(np.concatenate(clouds), [(100 - SHOWN_SHARE) / 2, (100 + SHOWN_SHARE) / 2], axis=0)
    return np.stack([lower - MARGIN * (upper - lower), upper + MARGIN * (upper - lower)])


def panel_height(limits: np.ndarray, plane: str) -> float:
    """Return the height of a panel, in inches, that shows limits (2, 3) in a plane with equal scales."""
    width, height = (limits[1] - limits[0])[['xyz'.index(axis) for axis in plane]]
    return PANEL_WIDTH * float(np.clip(height / width, 0.3, 1.2))


def draw_points(axes: Any, coords: np.ndarray, limits: np.ndarray, plane: str = 'xy') -> PathCollection:
    """Draw points as seen along the axis that is not in the plane.

    Args:
        axes: The panel, plain or 3D.
        coords: The points (N, 3), in metres, z upwards.
        limits: Lower and upper corner (2, 3) of the box to show; the colours span its z.
        plane: 'xy' from above, or 'xz' from the side, against the direction of y.

    Returns:
        The points, coloured by their height.
    """
    across, up = ('xyz'.index(axis) for axis in plane)
    towards_eye = coords[:, 2] if plane == 'xy' else -coords[:, 1]
    coords = coords[towards_eye.argsort()]  # the nearest last, on top
    coords = coords[((coords >= limits[0]) & (coords <= limits[1]))[:, [across, up]].all(axis=1)]
    axes.set(
        xlabel=f'{plane[0]} [m]', ylabel=f'{plane[1]} [m]', xlim=limits[:, across], ylim=limits[:, up], aspect='equal'
    )
    return axes.scatter(coords[:, across], coords[:, up], s=0.5, **height_colours(coords, limits))


def draw_oblique(axes: Any, coords: np.ndarray, limits: np.ndarray) -> PathCollection:
    """Draw points obliquely into 3D axes; arguments and result as in :func:`draw_points`."""
    coords = coords[((coords >= limits[0]) & (coords <= limits[1]))[:, :2].all(axis=1)]
    axes.set(xlabel='x [m]', ylabel='y [m]', zlabel='z [m]', xlim=limits[:, 0], ylim=limits[:, 1], zlim=limits[:, 2])
    axes.set_box_aspect(limits[1] - limits[0])
    axes.view_init(OBLIQUE_ELEVATION, OBLIQUE_AZIMUTH)
    return axes.scatter(*coords.T, s=3, depthshade=False, **height_colours(coords, limits))


def height_colours(coords: np.ndarray, limits: np.ndarray) -> dict[str, Any]:
    """Return the style that colours points (N, 3) by their height, the same in every panel."""
    return {'c': coords[:, 2], 'linewidths': 0, 'cmap': 'viridis', 'vmin': limits[0, 2], 'vmax': limits[1, 2]}
