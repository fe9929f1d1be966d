"""Pairs of temporally close frames, each a pure function of (seed, epoch, index)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from mmdet3d.registry import DATASETS
from mmengine.dataset import Compose
from mmengine.fileio import exists, join_path
from mmengine.logging import print_log
from mmengine.utils import is_abs
from torch.utils.data import Dataset

from ..generators import seeded
from .frame_table import read_frame_table
from .pair_selection import draw_neighbour_pair, draw_window_pair
from .sampler import PairKey
from .sequence_index import SequenceIndexError
from .transforms.load_shape import read_archives, split_shape_path
from .transforms.loading import UnusablePairError
from .transforms.views import VIEWS

NUM_PROBED_FRAMES = 3

# From the axes of a camera (x right, y down, z forward) to mmdet3d's DEPTH axes (x right, y forward, z up).
CAMERA_TO_DEPTH = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


@DATASETS.register_module()
class TemporalPairDataset(Dataset):
    """Pairs of frames from the sequences of a sequence index, one item per key frame.

    Item i draws two different frames of the sliding window of key frames around key frame i, as in the STRL paper, and
    runs the pipeline on the pair. Each key frame of the index is an item, so an epoch is as long whatever the window.
    The ``mode`` takes the method's two parts, time and space, apart:

    ==========  =====================================  ==============================
    mode        frames                                 ``augment`` of the pipeline
    ==========  =====================================  ==============================
    'both'      two frames, by ``selection``           runs on each view
    'temporal'  two frames, by ``selection``           is left out
    'spatial'   key frame i twice                      runs on each view
    ==========  =====================================  ==============================

    A pair is a pure function of (seed, epoch, index): python's, NumPy's and torch's global CPU generators, which stock
    transforms draw from, are seeded by these for each pair and put back afterwards. So a run does not depend on the
    number of workers. Train with ``sampler=dict(type='PairSampler')``, which gives the three as a :class:`PairKey`. A
    plain index stands for ``PairKey(seed=0, epoch=0, index)``.

    A pair whose data cannot be used (a frame that is missing or damaged, a view left without points) is replaced by the
    pair of another key frame, drawn by the same generators. Each replacement is logged as a warning with the file and
    the remedy, and counted in the ``num_redraws`` of the data samples. Their ``skipped`` lists what failed, each with
    ``frame_path``, ``reason``, ``epoch`` and ``item``; :class:`UnusableFramesHook` collects it.

    Args:
        ann_file (str): The sequence index, made by ``tools/create_sequence_index.py``; relative to ``data_root``,
            unless absolute.
        data_root (str): The folder that the index was made for (its ``--root``).
        pipeline (Sequence[dict | Callable]): Transforms of a pair, in general one :class:`MultiView`. They get
            ``augment`` (bool), and ``view_1`` and ``view_2`` with ``sample_idx``, ``sequence_id``, ``frame_path``
            (relative to the root), ``frame_index`` (in its sequence), ``num_redraws`` and ``skipped``. Of lidar scans
            and shapes a view has ``lidar_points`` (dict with ``lidar_path``), ``lidar_path`` and, with ``align_poses``,
            ``lidar2view_1``; of depth images, those of an index with intrinsics, ``depth_frame`` (dict with
            ``depth_path``, ``intrinsics`` and ``camera2view``).
        mode (str): 'both', 'temporal' or 'spatial'. Defaults to 'both'.
        selection (str): How two frames are chosen. 'window': two different ones of the sliding window, as in the paper.
            'neighbour': key frame i, and the one before it, the one after it, or itself, as in the released code.
            Defaults to 'window'.
        window (int): Length of the sliding window in key frames, at least 2. A shorter sequence is one window, but
            one sequence at least must be as long. Defaults to 5, since the paper gives no number.
        align_poses (bool): Whether to put both frames into the same axes, by the poses of the index: lidar scans into
            the lidar axes of view 1's frame; depth frames, as in the paper, into the world's axes with the camera's
            centre of view 1's frame as the origin. Without it each frame is in axes of its own: those of its lidar, or
            x to the right of its camera, y forward and z up. Defaults to False.
        max_refetch (int): How many pairs in a row may be replaced before the last one's error is raised. Defaults
            to 10.

    Raises:
        SequenceIndexError: If the index cannot be used, its frames are not below ``data_root``, a pose is missing, some
            sequences have intrinsics and others have none, or no sequence is long enough.
        CorruptFrameError: If the index is one of shapes, and an archive cannot be read.
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        pipeline: Sequence[dict | Callable] = (),
        mode: Literal['both', 'temporal', 'spatial'] = 'both',
        selection: Literal['window', 'neighbour'] = 'window',
        window: int = 5,
        align_poses: bool = False,
        max_refetch: int = 10,
    ) -> None:
        if mode not in ('both', 'temporal', 'spatial'):
            raise ValueError(f"mode must be 'both', 'temporal' or 'spatial', got {mode!r}")
        if selection not in ('window', 'neighbour'):
            raise ValueError(f"selection must be 'window' or 'neighbour', got {selection!r}")
        if window < 2:
            raise ValueError(
                f"window must be at least 2 key frames, got {window}. Use mode='spatial' for single frames"
            )
        if max_refetch < 0:
            raise ValueError(f'max_refetch must not be negative, got {max_refetch}')
        # As in mmengine's BaseDataset.
        self.ann_file = ann_file if is_abs(ann_file) or not data_root else join_path(data_root, ann_file)
        self.data_root = data_root
        self.mode = mode
        self.selection = selection
        self.window = window
        self.align_poses = align_poses
        self.max_refetch = max_refetch
        self.pipeline = Compose(pipeline)
        self._warned_of_plain_index = False

        self.metainfo, self._table = read_frame_table(self.ann_file)
        self._choose_sequences()
        self._check_columns()
        self._check_root()
        read_archives((self._table.frame(sequence, 0) for sequence in self._sequences.tolist()), data_root)

    def _choose_sequences(self) -> None:
        """Leave out the sequences that hold no two frames, where two are needed, and say how many there are."""
        lengths = np.diff(self._table.starts)
        self._sequences = np.flatnonzero(lengths > (self.mode != 'spatial'))
        # Item i is of sequence _sequences[s], where i lies from _items[s] up to _items[s + 1].
        self._items = np.concatenate([[0], np.cumsum(lengths[self._sequences])])
        if self.mode == 'spatial':
            return
        if not len(self._sequences):
            raise SequenceIndexError(
                f'{self.ann_file}: every sequence has one key frame only, {self._table.sequence_id(0)!r} the first, '
                f'and mode={self.mode!r} pairs two. Make the index with a smaller --key-frame-every, or set '
                "mode='spatial'"
            )
        if len(self._sequences) < len(lengths):
            print_log(
                f'{self.ann_file}: {len(lengths) - len(self._sequences)} of {len(lengths)} sequences are left out, '
                'since they have one key frame only',
                logger='current',
                level=logging.WARNING,
            )
        if self.selection == 'window':
            lengths = lengths[self._sequences]
            num_short = int((lengths < self.window).sum())
            if num_short == len(lengths):
                longest = int(lengths.argmax())
                name = self._table.sequence_id(int(self._sequences[longest]))
                raise SequenceIndexError(
                    f'{self.ann_file}: no sequence is as long as the window of {self.window} key frames; the longest, '
                    f'{name!r}, has {lengths[longest]}. Set window={lengths[longest]} or less, or make the index with '
                    'a smaller --key-frame-every'
                )
            if num_short:
                print_log(
                    f'{self.ann_file}: {num_short} of {len(lengths)} sequences are shorter than the window of '
                    f'{self.window} key frames; each is one window',
                    logger='current',
                    level=logging.WARNING,
                )

    def _check_columns(self) -> None:
        """Check that the sequences have what pairs are made of."""
        firsts = self._table.starts[self._sequences]
        if self.align_poses:
            poses = self._table.poses
            missing = np.full(len(firsts), True) if poses is None else np.isnan(poses[firsts, 0, 0])
            if missing.any():
                name = self._table.sequence_id(int(self._sequences[missing.argmax()]))
                raise SequenceIndexError(
                    f'{self.ann_file}: sequence {name!r} has no poses, and align_poses=True needs '
                    'them. Add the pose files and make the index anew, or set align_poses=False'
                )
        if self._table.intrinsics is not None:
            missing = np.isnan(self._table.intrinsics[self._sequences, 0, 0])
            if missing.any():
                raise SequenceIndexError(
                    f'{self.ann_file}: {(~missing).sum()} of {len(missing)} sequences have intrinsics, so some are '
                    'depth images and others are not. Make an index of each kind'
                )

    def _check_root(self) -> None:
        """Look for a few of the frames, so that a wrong root shows before the training starts."""
        if self.data_root and not exists(self.data_root):
            raise SequenceIndexError(
                f'data_root {self.data_root} does not exist. Set it to the folder that {self.ann_file} was made for'
            )
        probed = np.linspace(0, len(self) - 1, NUM_PROBED_FRAMES).astype(int)
        paths = [self._path(*self._locate(int(item))) for item in probed]
        files = [shape[0] if (shape := split_shape_path(path)) else path for path in paths]
        missing = [file for file in files if not exists(file)]
        if len(missing) == len(probed):
            raise SequenceIndexError(
                f'{missing[0]} does not exist, but {self.ann_file} lists it. If the data has moved, set data_root to '
                'the folder that the index was made for; otherwise make the index anew'
            )

    def _locate(self, item: int) -> tuple[int, int]:
        """Give the sequence of an item, and the number of its key frame there."""
        place = int(np.searchsorted(self._items, item, side='right')) - 1
        return int(self._sequences[place]), item - int(self._items[place])

    def _path(self, sequence: int, frame: int) -> str:
        """Give the full path of a frame of a sequence."""
        return join_path(self.data_root, self._table.frame(sequence, frame))

    def __len__(self) -> int:
        """Give the number of key frames."""
        return int(self._items[-1])

    def __getitem__(self, key: PairKey | int) -> Any:
        """Make a pair.

        Args:
            key: The item, and the seed and epoch that its randomness is drawn from. A plain index stands for those of
                seed 0 and epoch 0.

        Returns:
            What the pipeline makes of the pair; with :class:`MultiView`, ``{'view_1': packed, 'view_2': packed}``.

        Raises:
            IndexError: If the index is not in [0, len(self)).
            UnusablePairError: If ``max_refetch`` + 1 pairs in a row cannot be used.
        """
        if not isinstance(key, PairKey):
            self._warn_of_plain_index()
            key = PairKey(seed=0, epoch=0, index=int(key))
        if not 0 <= key.index < len(self):
            raise IndexError(f'index {key.index} of {len(self)} key frames')
        skipped: list[dict] = []
        for attempt in range(self.max_refetch + 1):
            try:
                return self._make_pair(key, skipped)
            except UnusablePairError as error:
                failure = error
                skipped.append(dict(frame_path=error.frame_path, reason=str(error), epoch=key.epoch, item=key.index))
                print_log(
                    f'item {key.index} of epoch {key.epoch}, attempt {attempt + 1}: {error}',
                    logger='current',
                    level=logging.WARNING,
                )
        raise type(failure)(
            f'{self.max_refetch + 1} pair(s) in a row could not be used. The last: {failure}'
        ) from failure

    def _warn_of_plain_index(self) -> None:
        """Say once that without the epoch an item is the same pair for ever."""
        if not self._warned_of_plain_index:
            self._warned_of_plain_index = True
            print_log(
                'TemporalPairDataset is asked for items by plain indices, which stand for epoch 0 of seed 0. To see '
                "other pairs in every epoch, train with sampler=dict(type='PairSampler')",
                logger='current',
                level=logging.WARNING,
            )

    def _make_pair(self, key: PairKey, skipped: list[dict]) -> Any:
        """Make the pair of a key: at the first attempt that of its own key frame, later that of a random one."""
        attempt = len(skipped)
        pair_seed, view_seed = np.random.SeedSequence((key.seed, key.epoch, key.index, attempt)).spawn(2)
        rng = np.random.default_rng(pair_seed)
        index = key.index if attempt == 0 else int(rng.integers(len(self)))
        with seeded(view_seed):
            return self.pipeline(self._draw_pair(index, rng, skipped))

    def _draw_pair(self, index: int, rng: np.random.Generator, skipped: list[dict]) -> dict:
        """Choose the two frames of a key frame's pair, and describe them for the pipeline."""
        sequence, key_frame = self._locate(index)
        length = int(self._table.starts[sequence + 1] - self._table.starts[sequence])
        if self.mode == 'spatial':
            frames = (key_frame, key_frame)
        elif self.selection == 'window':
            frames = draw_window_pair(key_frame, length, self.window, rng)
        else:
            frames = draw_neighbour_pair(key_frame, length, rng)

        pair: dict[str, Any] = {'augment': self.mode != 'temporal'}
        for view, frame in zip(VIEWS, frames, strict=True):
            pair[view] = {
                'sample_idx': index,
                'sequence_id': self._table.sequence_id(sequence),
                'frame_path': self._table.frame(sequence, frame),
                'frame_index': frame,
                'num_redraws': len(skipped),
                'skipped': list(skipped),
            }
            if self._table.intrinsics is None:
                pair[view].update(self._lidar_keys(sequence, frame, frames[0]))
            else:
                pair[view]['depth_frame'] = {
                    'depth_path': self._path(sequence, frame),
                    'intrinsics': self._table.intrinsics[sequence],
                    'camera2view': self._camera_to_view(sequence, frame, frames[0]),
                }
        return pair

    def _pose(self, sequence: int, frame: int) -> np.ndarray:
        """Give the pose (4, 4) of a frame of a sequence; with `align_poses` there is one."""
        assert self._table.poses is not None
        return self._table.poses[int(self._table.starts[sequence]) + frame]

    def _lidar_keys(self, sequence: int, frame: int, view_1_frame: int) -> dict[str, Any]:
        """Describe a lidar scan for its loading and alignment."""
        path = self._path(sequence, frame)
        keys: dict[str, Any] = {'lidar_points': {'lidar_path': path}, 'lidar_path': path}
        if 'load_dim' in self.metainfo:
            keys['lidar_points']['num_pts_feats'] = self.metainfo['load_dim']
        if self.align_poses:
            keys['lidar2view_1'] = np.linalg.solve(self._pose(sequence, view_1_frame), self._pose(sequence, frame))
        return keys

    def _camera_to_view(self, sequence: int, frame: int, view_1_frame: int) -> np.ndarray:
        """Give the motion (4, 4) from a depth camera's axes to those of its view."""
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
            f'window={self.window}, align_poses={self.align_poses}, pipeline={self.pipeline})'
        )
