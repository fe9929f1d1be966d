"""Pairs of temporally close frames, each a pure function of (seed, epoch, index)."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from mmdet3d.registry import DATASETS
from mmengine.dataset import BaseDataset, Compose
from mmengine.fileio import exists, join_path
from mmengine.logging import print_log
from torch.utils.data import Dataset

from ..errors import ConfigError
from ..generators import seeded
from .frame_table import FrameTable, read_frame_table
from .pair_bounds import NUM_DESCRIBED_ITEMS, PairBounds
from .pair_key import PairKey, wrapped_datasets
from .pair_selection import Allowed, draw_neighbour_pair, draw_window_pair
from .range_of_filters import with_range
from .readers.file_of_frame import file_of_frame
from .readers.frame_file import CorruptFrameError, UnusablePairError
from .readers.shape_archive import read_archives
from .sequence_index import SequenceIndexError, are_rigid
from .transforms.views import VIEWS

NUM_PROBED_FRAMES = 3

DEPTH_FACTS = ('depth_scale', 'largest_depth')  # of the metainfo, which LoadDepthFrame needs

# From the axes of a camera (x right, y down, z forward) to mmdet3d's DEPTH axes (x right, y forward, z up).
CAMERA_TO_DEPTH = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


@DATASETS.register_module()
class TemporalPairDataset(BaseDataset):
    """Pairs of frames from the sequences of a sequence index, one item per key frame.

    Item i draws two different frames of the sliding window of key frames around key frame i, as in the STRL paper, and
    runs the pipeline on the pair. Each key frame of the index is an item, so an epoch has the same length whatever the
    window. The ``mode`` separates the two parts of the method, time and space:

    ==========  =====================================  ==============================
    mode        frames                                 ``augment`` of the pipeline
    ==========  =====================================  ==============================
    'both'      two frames, by ``selection``           runs on each view
    'temporal'  two frames, by ``selection``           is skipped
    'spatial'   key frame i twice                      runs on each view
    ==========  =====================================  ==============================

    A pair is a pure function of (seed, epoch, index): python's, NumPy's and torch's global CPU generators, which stock
    transforms draw from, are seeded by these for each pair and put back afterwards. So a run does not depend on the
    number of workers. Train with ``sampler=dict(type='PairSampler')``, which gives the three as a :class:`PairKey`. A
    plain index stands for ``PairKey(seed=0, epoch=0, index)``.

    It is an mmengine data set: mmengine's and torch's ``ConcatDataset``, ``RepeatDataset``, ``Subset`` and
    ``get_subset`` take it. The randomness of an item there comes from seed, epoch and its place in the whole, so a
    repeated item is another pair.

    A pair whose data cannot be used (a frame that is missing or damaged, a view left without points) is replaced by the
    pair of another key frame, drawn by the same generators. Each replacement is logged as a warning with the file and
    the remedy, and counted in the ``num_redraws`` of the data samples. Their ``skipped`` lists what failed, each with
    ``data_root``, ``frame_path``, ``reason``, ``epoch`` and ``item``; :class:`UnusableFramesHook` collects it.

    Args:
        ann_file (str): The sequence index, made by ``tools/create_sequence_index.py``; relative to ``data_root``,
            unless absolute.
        data_root (str): The folder that the index was made for (its ``--root``).
        pipeline (dict | Sequence[dict | Callable]): Transforms of a pair, in general one :class:`MultiView`; a dict is
            the only transform, and a child config can change parts of it. They get ``augment`` (bool), and ``view_1``
            and ``view_2`` with ``sample_idx``, ``sequence_id``, ``frame_path`` (relative to the root), ``frame_index``
            (in its sequence), ``num_redraws`` and ``skipped``. A view of lidar scans or shapes has ``lidar_points``
            (dict with ``lidar_path``), ``lidar_path`` and, with ``align_poses``, ``lidar2view_1``; a view of depth
            images (the index has intrinsics) has ``depth_frame`` (dict with ``depth_path``, ``intrinsics``,
            ``camera2view`` and, where the index states them, ``depth_scale`` and ``largest_depth``).
        mode (str): 'both', 'temporal' or 'spatial'. Defaults to 'both'.
        selection (str): How two frames are chosen. 'window': two different ones of the sliding window, as in the paper.
            'neighbour': key frame i, and the one before it, the one after it, or itself, as in the released code.
            Defaults to 'window'.
        window (int): Length of the sliding window in key frames, at least 2. A shorter sequence is one window, but one
            sequence at least must be as long. Defaults to 5, since the paper gives no number.
        max_gap (float, optional): The most seconds between the two frames of a pair, where the index has time stamps.
            A key frame whose window holds no such pair is left out. Defaults to None.
        max_distance (float, optional): The most metres between the sensor's places in the two frames, where the index
            has poses; as `max_gap`. Defaults to None.
        align_poses (bool): Whether to put both frames into the same axes, by the poses of the index: lidar scans into
            the lidar axes of view 1's frame; depth frames, as in the paper, into the world's axes with the camera's
            centre of view 1's frame as the origin. Without it each frame has its own axes: its lidar's, or x to the
            right of its camera, y forward and z up. Defaults to False.
        sweeps (int): How many frames before a frame are given with it, for `LoadSweeps`; the stock nuScenes configs
            take 9. It needs poses and time stamps. Defaults to 0.
        max_refetch (int): How many pairs in a row may be replaced before the last one's error is raised. Defaults
            to 10.
        point_cloud_range (Sequence[float], optional): (x_min, y_min, z_min, x_max, y_max, z_max) in metres, in the axes
            of the points: the range of every ``PointsRangeFilter`` in the pipeline. `PretrainLoop` compares it with the
            detector's. Defaults to None.
        **kwargs (dict): ``metainfo``, ``indices``, ``test_mode`` and ``lazy_init`` of mmengine's ``BaseDataset``.

    Attributes:
        index_metainfo (dict): The metainfo of the sequence index.

    Raises:
        SequenceIndexError: If the index cannot be used, its frames are not below ``data_root``, a pose is missing, some
            sequences have intrinsics and others have none, no sequence is long enough, or no pair is within
            `max_gap` and `max_distance`.
        CorruptFrameError: If the index is one of shapes, and an archive cannot be read.
        ConfigError: If an argument is out of its range, or a range filter has no range or another one than
            ``point_cloud_range``.
    """

    index_metainfo: dict[str, Any]

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        pipeline: dict | Sequence[dict | Callable] = (),
        mode: Literal['both', 'temporal', 'spatial'] = 'both',
        selection: Literal['window', 'neighbour'] = 'window',
        window: int = 5,
        max_gap: float | None = None,
        max_distance: float | None = None,
        align_poses: bool = False,
        sweeps: int = 0,
        max_refetch: int = 10,
        point_cloud_range: Sequence[float] | None = None,
        indices: int | Sequence[int] | None = None,
        lazy_init: bool = False,
        **kwargs: Any,
    ) -> None:
        if mode not in ('both', 'temporal', 'spatial'):
            raise ConfigError(f"mode must be 'both', 'temporal' or 'spatial', got {mode!r}")
        if selection not in ('window', 'neighbour'):
            raise ConfigError(f"selection must be 'window' or 'neighbour', got {selection!r}")
        if window < 2:
            raise ConfigError(
                f"window must be at least 2 key frames, got {window}. Use mode='spatial' for single frames"
            )
        for name, bound, unit in (('max_gap', max_gap, 'seconds'), ('max_distance', max_distance, 'metres')):
            if bound is not None and not 0 < bound < float('inf'):
                raise ConfigError(f'{name} must be a number of {unit} above 0 or None, got {bound!r}')
        if max_refetch < 0:
            raise ConfigError(f'max_refetch must not be negative, got {max_refetch}')
        super().__init__(
            ann_file=ann_file, data_root=data_root, data_prefix={}, max_refetch=max_refetch, lazy_init=True, **kwargs
        )
        self.mode = mode
        self.selection = selection
        self.window = window
        self.max_gap = max_gap
        self.max_distance = max_distance
        self.align_poses = align_poses
        if sweeps < 0:
            raise ConfigError(f'sweeps must not be negative, got {sweeps}')
        self.sweeps = sweeps
        self.point_cloud_range = point_cloud_range
        transforms = [pipeline] if isinstance(pipeline, dict) else pipeline
        self.pipeline = Compose(with_range(transforms, point_cloud_range))
        self._table: FrameTable | None = None
        self._subset: np.ndarray | None = None
        self._asked_for = indices
        self._warned_of_plain_index = False
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Open the index, unless it is open already."""
        if self._table is not None:
            return
        self.index_metainfo, self._table = read_frame_table(self.ann_file)
        self._choose_sequences()
        self._bound_pairs()
        self._check_columns()
        self._check_root()
        read_archives((self._table.frame(sequence, 0) for sequence in self._sequences.tolist()), self.data_root)
        if self._asked_for is not None:
            self.get_subset_(self._asked_for)

    @property
    def table(self) -> FrameTable:
        """The frames of the index."""
        self.full_init()
        assert self._table is not None
        return self._table

    def _choose_sequences(self) -> None:
        """Leave out the sequences that hold no two frames, where two are needed, and say how many there are."""
        lengths = np.diff(self.table.starts)
        self._sequences = np.flatnonzero(lengths > (self.mode != 'spatial'))
        # Item i is of sequence _sequences[s], where i lies from _items[s] up to _items[s + 1].
        self._items = np.concatenate([[0], np.cumsum(lengths[self._sequences])])
        if self.mode == 'spatial':
            return
        if not len(self._sequences):
            raise SequenceIndexError(
                f'{self.ann_file}: every sequence has one key frame only, {self.table.sequence_id(0)!r} the first, '
                f'and mode={self.mode!r} pairs two. Make the index with a smaller --key-frame-every, or set '
                "mode='spatial'"
            )
        if len(self._sequences) < len(lengths):
            _warn(
                f'{self.ann_file}: {len(lengths) - len(self._sequences)} of {len(lengths)} sequences are left out, '
                'since they have one key frame only'
            )
        if self.selection == 'window':
            lengths = lengths[self._sequences]
            num_short = int((lengths < self.window).sum())
            if num_short == len(lengths):
                longest = int(lengths.argmax())
                name = self.table.sequence_id(int(self._sequences[longest]))
                raise SequenceIndexError(
                    f'{self.ann_file}: no sequence is as long as the window of {self.window} key frames; the longest, '
                    f'{name!r}, has {lengths[longest]}. Set window={lengths[longest]} or less, or make the index with '
                    'a smaller --key-frame-every'
                )
            if num_short:
                _warn(
                    f'{self.ann_file}: {num_short} of {len(lengths)} sequences are shorter than the window of '
                    f'{self.window} key frames; each is one window'
                )

    @property
    def _bounds(self) -> PairBounds:
        """How far apart the frames of a pair may be."""
        poses = self.table.poses
        places = None if poses is None else poses[:, :3, 3]
        return PairBounds(self.table.starts, self.table.timestamps, places, self.max_gap, self.max_distance)

    def num_bounded(self) -> dict[str, tuple[int, int]]:
        """Count the sequences whose pairs each bound holds; it bounds no pair of the others.

        Returns:
            'max_gap' -> how many sequences have time stamps, 'max_distance' -> how many have poses, of how many,
            for the bounds that are set. Empty in the mode 'spatial'.
        """
        if self.mode == 'spatial':
            return {}
        bounds, firsts = self._bounds, self.table.starts[self._sequences]
        return {
            name: (
                0 if known is None else int((~np.isnan(known[firsts].reshape(len(firsts), -1)[:, 0])).sum()),
                len(firsts),
            )
            for name, bound, known in (
                ('max_gap', self.max_gap, bounds.times),
                ('max_distance', self.max_distance, bounds.places),
            )
            if bound is not None
        }

    def _bound_pairs(self) -> None:
        """Leave out the key frames whose window has no pair within the bounds, and say how far apart pairs are."""
        if self.mode == 'spatial':
            return
        only = f'the window of {self.window} key frames does' if self.selection == 'window' else 'neighbours are paired'
        for name, (bounded, total) in self.num_bounded().items():
            column = dict(max_gap='time stamps', max_distance='poses')[name]
            if bounded < total:
                _warn(
                    f'{self.ann_file}: {name}={getattr(self, name)} does not bound the pairs of {total - bounded} of '
                    f'{total} sequences, which have no {column}; {only}'
                )
        if self.selection != 'window':  # a key frame without a neighbour within the bounds is paired with itself
            return
        bounds = self._bounds
        if bounds:
            frames = np.concatenate([np.arange(*self.table.starts[[s, s + 1]]) for s in self._sequences])
            kept = bounds.have_pairs(self.window)[frames]
            if not kept.all():
                self._leave_out_items(kept)
        if bounds.times is not None or bounds.places is not None:
            places = np.linspace(0, len(self) - 1, min(len(self), NUM_DESCRIBED_ITEMS)).astype(int)
            items = np.array([self.table.starts[s] + frame for s, frame in map(self._locate, places.tolist())])
            if said := bounds.describe(items, self.window):
                print_log(f'{self.ann_file}: the frames of pairs are {said}{self._thinned()}', logger='current')

    def _leave_out_items(self, kept: np.ndarray) -> None:
        """Keep some of the items (N,), and say why, or raise a SequenceIndexError if none is left."""
        limits = {'max_gap': (self.max_gap, 's'), 'max_distance': (self.max_distance, 'm')}
        within = ' and '.join(f'{name}={bound} {unit}' for name, (bound, unit) in limits.items() if bound is not None)
        if not kept.any():
            unbounded = replace(self._bounds, max_gap=None, max_distance=None)
            apart = unbounded.describe(self.table.starts[self._sequences][:NUM_DESCRIBED_ITEMS], window=2)
            raise SequenceIndexError(
                f'{self.ann_file}: no pair is within {within}; neighbouring key frames are {apart}{self._thinned()}. '
                f'Make the index with a smaller --key-frame-every, or set a larger {within.split("=")[0]}'
            )
        _warn(
            f'{self.ann_file}: {int((~kept).sum())} of {len(kept)} key frames are left out, since no pair of their '
            f'windows is within {within}{self._thinned()}'
        )
        self._subset = np.flatnonzero(kept)

    def _thinned(self) -> str:
        """Return a remark about an index of every n-th frame, which widens the window of key frames."""
        every = self.index_metainfo.get('key_frame_every', 1)
        return f' (the index has one frame of {every}, by --key-frame-every)' if every != 1 else ''

    def _check_columns(self) -> None:
        """Check that the sequences have what pairs are made of."""
        firsts = self.table.starts[self._sequences]
        if self.sweeps:
            self._check_sweeps()
        if self.align_poses:
            poses = self.table.poses
            missing = np.full(len(firsts), True) if poses is None else np.isnan(poses[firsts, 0, 0])
            if missing.any():
                name = self.table.sequence_id(int(self._sequences[missing.argmax()]))
                raise SequenceIndexError(
                    f'{self.ann_file}: sequence {name!r} has no poses, and align_poses=True needs '
                    'them. Add the pose files and rebuild the sequence index, or set align_poses=False'
                )
        if self.table.intrinsics is not None:
            missing = np.isnan(self.table.intrinsics[self._sequences, 0, 0])
            if missing.any():
                raise SequenceIndexError(
                    f'{self.ann_file}: {(~missing).sum()} of {len(missing)} sequences have intrinsics, so some are '
                    'depth images and others are not. Make an index of each kind'
                )

    def _check_sweeps(self) -> None:
        """Check that the sweeps before a frame can be brought into its axes, and that their time lag is known."""
        firsts = self.table.starts[self._sequences]
        for name, column in (('poses', self.table.poses), ('time stamps', self.table.timestamps)):
            known = None if column is None else column[firsts].reshape(len(firsts), -1)[:, 0]
            if known is None or np.isnan(known).any():
                raise SequenceIndexError(
                    f'{self.ann_file} has sequences without {name}, and sweeps={self.sweeps} needs them. Rebuild the '
                    'index from data that has them, or set sweeps=0'
                )

    def _check_root(self) -> None:
        """Look for a few of the frames: a wrong root shows before the training starts, a lost one ends it at once."""
        if self.data_root and not exists(self.data_root):
            raise SequenceIndexError(
                f'data_root {self.data_root} does not exist. Set it to the folder that {self.ann_file} was made for. '
                'If it was lost during a run, bring it back and continue from the last checkpoint with --resume'
            )
        probed = np.linspace(0, len(self) - 1, NUM_PROBED_FRAMES).astype(int)
        paths = [self._path(*self._locate(int(item))) for item in probed]
        files = [file_of_frame(path) for path in paths]
        missing = [file for file in files if not exists(file)]
        if len(missing) == len(probed):
            raise SequenceIndexError(
                f'{missing[0]} does not exist, but {self.ann_file} lists it. If the data has moved, set data_root to '
                'the folder that the index was made for; if it was lost during a run, bring it back and use --resume; '
                'otherwise rebuild the sequence index'
            )

    def _locate(self, item: int) -> tuple[int, int]:
        """Return the sequence of an item, and the number of its key frame there."""
        if self._subset is not None:
            item = int(self._subset[item])
        place = int(np.searchsorted(self._items, item, side='right')) - 1
        return int(self._sequences[place]), item - int(self._items[place])

    def _path(self, sequence: int, frame: int) -> str:
        """Return the full path of a frame of a sequence."""
        return join_path(self.data_root, self.table.frame(sequence, frame))

    def __len__(self) -> int:
        """Return the number of key frames."""
        self.full_init()
        return int(self._items[-1]) if self._subset is None else len(self._subset)

    def get_data_info(self, idx: int) -> dict:
        """Return ``sample_idx``, ``sequence_id``, ``frame_path`` and ``frame_index`` of a key frame."""
        index = range(len(self))[idx]
        sequence, frame = self._locate(index)
        return self._provenance(index, sequence, frame)

    def get_subset_(self, indices: int | Sequence[int]) -> None:
        """Keep a part of the items, in place: the first n (of a negative number, the last), or those listed."""
        items = np.arange(len(self)) if self._subset is None else self._subset
        if isinstance(indices, int):
            self._subset = items[:indices] if indices >= 0 else items[indices:]
        else:
            self._subset = items[np.asarray(indices, dtype=np.int64)]

    def get_subset(self, indices: int | Sequence[int]) -> TemporalPairDataset:
        """Make a data set of a part of the items, see `get_subset_`. Both share the index in memory."""
        self.full_init()
        part = copy.copy(self)
        part.get_subset_(indices)
        return part

    def prepare_data(self, idx: int) -> Any:
        """Make the pair of an item, as indexing does."""
        return self[idx]

    def __getitem__(self, idx: PairKey | int) -> Any:
        """Make a pair.

        Args:
            idx: The item, and what its randomness is drawn from. A plain index stands for seed 0 and epoch 0.

        Returns:
            What the pipeline makes of the pair; with :class:`MultiView`, ``{'view_1': packed, 'view_2': packed}``.

        Raises:
            IndexError: If the index is not in [0, len(self)).
            UnusablePairError: If ``max_refetch`` + 1 pairs in a row cannot be used.
            SequenceIndexError: If a pair cannot be used because the root, or what was below it, is gone.
        """
        if not isinstance(idx, PairKey):
            self._warn_of_plain_index()
            idx = PairKey(seed=0, epoch=0, index=int(idx))
        if not 0 <= idx.index < len(self):
            raise IndexError(f'index {idx.index} of {len(self)} key frames')
        skipped: list[dict] = []
        for attempt in range(self.max_refetch + 1):
            try:
                return self._make_pair(idx, skipped)
            except UnusablePairError as error:
                self._check_root()  # no other pair would do if the whole root is gone
                failure = error
                skipped.append(
                    dict(
                        data_root=str(self.data_root),
                        frame_path=error.frame_path,
                        reason=str(error),
                        epoch=idx.epoch,
                        item=idx.index,
                    )
                )
                _warn(f'item {idx.index} of epoch {idx.epoch}, attempt {attempt + 1}: {error}')
        raise type(failure)(
            f'{self.max_refetch + 1} pair(s) in a row could not be used. The last: {failure}'
        ) from failure

    def _warn_of_plain_index(self) -> None:
        """Say once that without the epoch an item is the same pair forever."""
        if not self._warned_of_plain_index:
            self._warned_of_plain_index = True
            _warn(
                'TemporalPairDataset is asked for items by plain indices, which stand for epoch 0 of seed 0. To see '
                "other pairs in every epoch, train with sampler=dict(type='PairSampler')"
            )

    def _make_pair(self, key: PairKey, skipped: list[dict]) -> Any:
        """Make the pair of a key: at the first attempt that of its own key frame, later that of a random one."""
        attempt = len(skipped)
        pair_seed, view_seed = np.random.SeedSequence((key.seed, key.epoch, key.place, attempt)).spawn(2)
        rng = np.random.default_rng(pair_seed)
        index = key.index if attempt == 0 else int(rng.integers(len(self)))
        with seeded(view_seed):
            return self.pipeline(self._draw_pair(index, rng, skipped))

    def _draw_pair(self, index: int, rng: np.random.Generator, skipped: list[dict]) -> dict:
        """Choose the two frames of a key frame's pair, and describe them for the pipeline."""
        sequence, key_frame = self._locate(index)
        length = int(self.table.starts[sequence + 1] - self.table.starts[sequence])
        if self.mode == 'spatial':
            frames = (key_frame, key_frame)
        elif self.selection == 'window':
            frames = draw_window_pair(key_frame, length, self.window, rng, self._allowed(sequence))
        else:
            frames = draw_neighbour_pair(key_frame, length, rng, self._allowed(sequence))

        aligned = self.align_poses or frames[0] == frames[1]
        pair: dict[str, Any] = {'augment': self.mode != 'temporal', 'aligned': aligned}
        for view, frame in zip(VIEWS, frames, strict=True):
            pair[view] = self._provenance(index, sequence, frame)
            pair[view].update(num_redraws=len(skipped), skipped=list(skipped))
            if self.table.intrinsics is None:
                pair[view].update(self._lidar_keys(sequence, frame, frames[0]))
            else:
                pair[view]['depth_frame'] = {
                    'depth_path': self._path(sequence, frame),
                    'intrinsics': self.table.intrinsics[sequence],
                    'camera2view': self._camera_to_view(sequence, frame, frames[0]),
                    **{fact: self.index_metainfo[fact] for fact in DEPTH_FACTS if fact in self.index_metainfo},
                }
        return pair

    def _allowed(self, sequence: int) -> Allowed | None:
        """Return what tells which pairs of a sequence's frames are within the bounds; None without bounds."""
        bounds, start = self._bounds, int(self.table.starts[sequence])
        return (lambda first, second: bounds.allow(first + start, second + start)) if bounds else None

    def _provenance(self, index: int, sequence: int, frame: int) -> dict[str, Any]:
        """Describe where a frame comes from."""
        return {
            'sample_idx': index,
            'sequence_id': self.table.sequence_id(sequence),
            'frame_path': self.table.frame(sequence, frame),
            'frame_index': frame,
        }

    def _pose(self, sequence: int, frame: int) -> np.ndarray:
        """Return the pose (4, 4) of a frame of a sequence; with `align_poses` there is one.

        Raises:
            CorruptFrameError: If it is not rigid: the arrays beside a large index are not checked when they are mapped.
        """
        assert self.table.poses is not None
        pose = self.table.poses[int(self.table.starts[sequence]) + frame]
        if not are_rigid(pose[None]):
            error = CorruptFrameError(
                f'{self._path(sequence, frame)} has a pose in {self.ann_file} that is not a rotation and a '
                'translation. Rebuild the sequence index'
            )
            error.frame_path = self.table.frame(sequence, frame)
            raise error
        return pose

    def _lidar_keys(self, sequence: int, frame: int, view_1_frame: int) -> dict[str, Any]:
        """Describe a lidar scan for its loading and alignment."""
        path = self._path(sequence, frame)
        keys: dict[str, Any] = {'lidar_points': {'lidar_path': path}, 'lidar_path': path}
        if 'load_dim' in self.index_metainfo:
            keys['lidar_points']['num_pts_feats'] = self.index_metainfo['load_dim']
            keys['lidar_points']['first_of_sequence'] = self._path(sequence, 0)
        if 'columns' in self.index_metainfo:
            keys['lidar_points']['columns'] = self.index_metainfo['columns']
        if self.sweeps:
            keys |= self._sweeps_before(sequence, frame, keys['lidar_points'])
        if self.align_poses:
            keys['lidar2view_1'] = np.linalg.solve(self._pose(sequence, view_1_frame), self._pose(sequence, frame))
        return keys

    def _sweeps_before(self, sequence: int, frame: int, lidar_points: dict) -> dict[str, Any]:
        """Describe the frames before a frame as mmdet3d's infos describe sweeps, the nearest first."""
        assert self.table.timestamps is not None
        times = self.table.timestamps[int(self.table.starts[sequence]) :]
        sweeps = []
        for earlier in range(frame - 1, max(-1, frame - 1 - self.sweeps), -1):
            to_frame = np.linalg.solve(self._pose(sequence, frame), self._pose(sequence, earlier))
            # mmdet3d takes p @ lidar2sensor[:3, :3] - lidar2sensor[:3, 3] into the frame's axes.
            lidar2sensor = np.eye(4)
            lidar2sensor[:3, :3], lidar2sensor[:3, 3] = to_frame[:3, :3].T, -to_frame[:3, 3]
            points = dict(lidar_points, lidar_path=self._path(sequence, earlier), lidar2sensor=lidar2sensor)
            points['frame_path'] = self.table.frame(sequence, earlier)
            sweeps.append(dict(lidar_points=points, timestamp=float(times[earlier])))
        found = {'timestamp': float(times[frame])}
        return found | {'lidar_sweeps': sweeps} if sweeps else found

    def _camera_to_view(self, sequence: int, frame: int, view_1_frame: int) -> np.ndarray:
        """Return the motion (4, 4) from a depth camera's axes to the axes of its view."""
        if not self.align_poses:
            return CAMERA_TO_DEPTH
        camera_to_view = np.array(self._pose(sequence, frame))
        camera_to_view[:3, 3] -= self._pose(sequence, view_1_frame)[:3, 3]
        return camera_to_view

    def __repr__(self) -> str:
        """Describe the dataset."""
        return (
            f'{type(self).__name__}({PurePosixPath(self.ann_file).name}: {len(self)} key frames of '
            f'{len(self._sequences)} sequences, mode={self.mode!r}, selection={self.selection!r}, '
            f'window={self.window}, max_gap={self.max_gap}, max_distance={self.max_distance}, '
            f'align_poses={self.align_poses}, sweeps={self.sweeps}, point_cloud_range={self.point_cloud_range}, '
            f'pipeline={self.pipeline})'
        )


def _warn(text: str) -> None:
    """Log a warning to the run's logger."""
    print_log(text, logger='current', level=logging.WARNING)


def pair_datasets(dataset: Dataset) -> Iterator[TemporalPairDataset]:
    """Yield the pair data sets that a data set is, or wraps at any depth."""
    if isinstance(dataset, TemporalPairDataset):
        yield dataset
    else:
        for inner in wrapped_datasets(dataset):
            yield from pair_datasets(inner)
