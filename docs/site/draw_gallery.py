"""Draw docs/gallery: what each augmentation does to a simulated scan, before and after.

    python docs/site/draw_gallery.py --out docs/gallery

Needs the extras 'sim' and 'vis'. The same command gives the same pictures on one machine.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from mmdet3d.registry import DATASETS, TRANSFORMS
from mmdet3d.structures import BasePoints
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

import strl_mmdet3d  # noqa: F401 - registers the transforms
from strl_mmdet3d.datasets import PairKey, write_sequence_index
from strl_mmdet3d.datasets.moved_things import MovedThings, marked_whole_scans, things_of_view
from strl_mmdet3d.datasets.sources import ScanLister, kitti_raw_sequences
from strl_mmdet3d.datasets.transforms.base import MARKS_KEY, THINGS_KEY
from strl_mmdet3d.datasets.transforms.mark_moved import MOVED
from strl_mmdet3d.evaluation import figure_style as style
from strl_mmdet3d.evaluation.figure_text import plain_text, save_picture
from strl_mmdet3d.evaluation.pair_figure import draw_points, with_unit
from strl_mmdet3d.simulation import KittiSimulation

SEED = 7
SHOWN = np.array([[0.0, -20.0, -2.5], [45.0, 20.0, 2.0]])
"""The box that is drawn, metres."""
FROM_THE_SIDE = np.array([[0.0, -20.0, -6.0], [45.0, 20.0, 10.0]])
IN_THE_UNIT_SPHERE = np.array([[-1.0, -1.0, -0.3], [1.0, 1.0, 0.3]])
DOTS_PER_INCH = 75
NUM_COLOURS = 128
SEEN = 0.15
"""A crop or a cutout is drawn again until it takes at least this share of the points, so that it is seen."""


@dataclass
class Entry:
    """One picture.

    Attributes:
        transform: Its settings, as in a config.
        plane: 'xy' from above, 'xz' from the side.
        after: The limits of the second panel, if they are not those of the first.
        least: The share of the points that it must take.
    """

    transform: dict[str, Any]
    plane: str = 'xy'
    after: np.ndarray | None = None
    least: float = 0.0


ENTRIES = [
    Entry(dict(type='RandomRotatePoints', prob=1.0), 'xz'),
    Entry(dict(type='RandomTranslatePoints', prob=1.0)),
    Entry(dict(type='RandomScalePoints', prob=1.0)),
    Entry(dict(type='RandomFlip3D', flip_ratio_bev_horizontal=1.0)),
    Entry(dict(type='GlobalRotScaleTrans', rot_range=[-0.78539816, 0.78539816], scale_ratio_range=[0.95, 1.05])),
    Entry(dict(type='NormalizePointsToUnitSphere'), after=IN_THE_UNIT_SPHERE),
    Entry(dict(type='RandomCropPoints', prob=1.0), least=SEEN),
    Entry(dict(type='RandomCropPointsBySide', prob=1.0), least=SEEN),
    Entry(dict(type='RandomCropPointsXY', prob=1.0), least=SEEN),
    Entry(dict(type='RandomCutoutPoints', prob=1.0), least=SEEN),
    Entry(dict(type='RandomDropPoints', prob=1.0)),
    Entry(dict(type='RandomDropByRange', prob=1.0)),
    Entry(dict(type='RandomDropBeams', every=[2])),
    Entry(dict(type='CutToFieldOfView')),
    Entry(dict(type='RandomUniformJitterPoints', max_offset=0.5)),
    Entry(dict(type='RandomJitterPoints', jitter_std=[0.1, 0.1, 0.1], clip_range=[-0.5, 0.5])),
    Entry(dict(type='DownSamplePoints', num_points=4000)),
]
"""What changes one frame. Jitters are ten times as strong as in the recipes, so that they are seen."""

PAIRED = ('DrawRegions', 'MarkMoved', 'PasteMoved')
"""What needs both frames of a pair."""


def names() -> list[str]:
    """Return what is drawn, in the order of the page."""
    return [*(entry.transform['type'] for entry in ENTRIES), *PAIRED]


def simulate(root: Path) -> Config:
    """Write a drive and its index, and return the settings of its pairs."""
    list(KittiSimulation(seed=SEED, drives=1, frames_per_drive=9, train=0, val=0, test=0).write(root))
    lister = ScanLister(load_dim=4, key_frame_every=1, ext='.bin', skip_truncated=False)
    drives = list(kitti_raw_sequences(root / 'raw', lister))
    write_sequence_index(root / 'raw' / 'sequences.json', dict(load_dim=4), drives)
    config = Config.fromfile('configs/study/motion.py')
    config.train_dataloader.dataset.update(data_root=str(root / 'raw'), window=9)
    return config


def pairs_with(config: Config, pair: list[dict], keys: list[str]) -> Any:
    """Return the first pair of the drive, after transforms of both frames."""
    pipeline = dict(
        type='MultiView',
        load=[dict(type='LoadFrame', coord_type='LIDAR', load_dim=4, use_dim=4)],
        pair=pair,
        pack=[dict(type='Pack3DDetInputs', keys=['points', *keys])],
    )
    settings = dict(config.train_dataloader.dataset, pipeline=pipeline)
    settings['point_cloud_range'] = [0, -20, -3, 45, 20, 1]
    return DATASETS.build(settings)[PairKey(SEED, 0, 4)]


@plain_text
def two_panels(plane: str, panels: list[tuple[str, np.ndarray, np.ndarray]]) -> Figure:
    """Draw two clouds (N, 3) with their titles and limits, each with its scale of heights if these differ."""
    figure = Figure(figsize=(9.6, 4.3 if plane == 'xy' else 2.6), layout='constrained')
    drawn = []
    for axes, (title, coords, shown) in zip(figure.subplots(1, 2), panels, strict=True):
        unit = '' if shown is IN_THE_UNIT_SPHERE else 'm'
        drawn.append((axes, draw_points(axes, coords, shown, plane, unit), with_unit('z', unit)))
        axes.set_title(f'{title}: {len(coords):,} points')
    if panels[0][2] is panels[1][2]:
        figure.colorbar(drawn[0][1], ax=figure.axes, label=drawn[0][2], aspect=30)
    else:
        for axes, points, label in drawn:
            figure.colorbar(points, ax=axes, label=label, aspect=30)
    return figure


def draw_entry(entry: Entry, points: BasePoints) -> Figure:
    """Draw a scan before and after a transform."""
    transform = TRANSFORMS.build(entry.transform)
    for seed in range(SEED, SEED + 500):
        np.random.seed(seed)
        after = transform(dict(points=points.clone(), box_type_3d=None, transformation_3d_flow=[]))['points']
        if len(after) <= (1 - entry.least) * len(points):
            break
    limits = SHOWN if entry.plane == 'xy' else FROM_THE_SIDE
    clouds = [('before', points, limits), ('after', after, limits if entry.after is None else entry.after)]
    return two_panels(entry.plane, [(name, cloud.coord.numpy(), shown) for name, cloud, shown in clouds])


def draw_regions(config: Config) -> Figure:
    """Draw the regions of a pair in both frames."""
    pair = pairs_with(config, [dict(type='DrawRegions')], ['gt_bboxes_3d', 'gt_labels_3d'])
    return marked(pair, lambda view: view['data_samples'].gt_instances_3d.bboxes_3d.tensor[:, :2].numpy(), 'region')


def draw_moved(config: Config, pasted: list[dict]) -> Figure:
    """Draw the points of a pair that have moved."""
    pair = pairs_with(config, [dict(type='MarkMoved'), *pasted], [MARKS_KEY, THINGS_KEY])

    def moved(view: dict) -> np.ndarray:
        marks = np.asarray(view['data_samples'].gt_pts_seg[MARKS_KEY])
        return view['inputs']['points'][:, :2].numpy()[marks == MOVED]

    return marked(pair, moved, 'moved')


@plain_text
def marked(pair: dict, places: Callable[[dict], np.ndarray], label: str) -> Figure:
    """Draw both frames of a pair, and in them some places (M, 2) of regions or of points that have moved."""
    panels = [(name.replace('view', 'frame').replace('_', ' '), view) for name, view in pair.items()]
    clouds = [(name, view['inputs']['points'][:, :3].numpy(), SHOWN) for name, view in panels]
    figure = two_panels('xy', clouds)
    looks: dict[str, dict[str, Any]] = {
        'region': dict(markersize=6, markerfacecolor='none', markeredgecolor=style.REGION),
        'moved': dict(markersize=1.7, color=style.MOVED, markeredgewidth=0),
    }
    for axes, (_, view) in zip(figure.axes, panels, strict=False):  # the last axes are the scale's
        axes.plot(*places(view).T, linestyle='none', marker='o', **looks[label])
    handle = Line2D([], [], linestyle='none', marker='o', **{**looks[label], 'markersize': 6})
    style.legend_below(figure, [handle], [label], 1)
    return figure


def save_small(figure: Figure, path: Path) -> None:
    """Write a picture of few colours, since all of them are committed."""
    whole = io.BytesIO()
    save_picture(figure, whole, DOTS_PER_INCH)
    Image.open(whole).convert('RGB').quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def main(argv: list[str] | None = None) -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, required=True, help='the folder for the pictures')
    parser.add_argument('--only', nargs='+', choices=names(), default=names(), help='(default: all)')
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    init_default_scope('mmdet3d')
    with tempfile.TemporaryDirectory() as folder:
        config = simulate(Path(folder))
        dataset, sensor = marked_whole_scans(config.train_dataloader.dataset)
        things = [each for view in dataset[4].values() for each in things_of_view(view, np.array(sensor), 20)]
        MovedThings.of(things).save(Path(folder) / 'things.npz')
        paste = dict(type='PasteMoved', things=str(Path(folder) / 'things.npz'), number=12)
        drawn: dict[str, Callable[[], Figure]] = {
            'DrawRegions': lambda: draw_regions(config),
            'MarkMoved': lambda: draw_moved(config, []),
            'PasteMoved': lambda: draw_moved(config, [paste]),
        }
        frame = sorted(Path(folder).rglob('velodyne_points/data/*.bin'))[4]
        scan = TRANSFORMS.build(dict(type='LoadFrame', coord_type='LIDAR', load_dim=4, use_dim=4))
        points = scan(dict(lidar_points=dict(lidar_path=str(frame))))['points']
        coords = points.coord
        low, high = coords.new_tensor(SHOWN)
        points = points[((coords > low) & (coords < high)).all(dim=1)]
        for entry in ENTRIES:
            drawn[entry.transform['type']] = lambda entry=entry: draw_entry(entry, points)
        for name in args.only:
            save_small(drawn[name](), args.out / f'{name}.png')


if __name__ == '__main__':
    main()
