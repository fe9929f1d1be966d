"""Chooses which labelled frames a detector may train on: nested subsets in which each combination of classes is kept.

A frame belongs to the stratum of the classes that are present in it. The frames of a stratum are shuffled by the seed
and spread evenly over one order of all frames, and a subset is the beginning of that order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from ...errors import ConfigError

FrameId = int | str


@dataclass(frozen=True)
class LabelledFrames:
    """The labelled frames of an info file of mmdet3d.

    Attributes:
        ids: The frames' ids, each once.
        classes: For each frame, the names of the classes that are present, sorted.
    """

    ids: list[FrameId]
    classes: list[tuple[str, ...]]

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.ids)

    def choose(self, count: int, seed: int) -> list[FrameId]:
        """Choose frames.

        Args:
            count: Number of frames, from 1.
            seed: The seed of the order; with the same seed, fewer frames are a part of more.

        Returns:
            The ids of the frames, in the order of the info file.
        """
        return [self.ids[position] for position in sorted(stratified_order(self.classes, seed)[:count])]


def frames_of(infos: Any, source: str, classes: Collection[str] | None = None) -> LabelledFrames:
    """List the frames of an info file and the classes in them.

    Args:
        infos: Its content, in mmdet3d's format since 1.1: ``metainfo`` with ``categories``, and ``data_list``.
        source: The file's name, for error messages.
        classes: The classes that the detector learns; None takes all of the file.

    Raises:
        ConfigError: If the content has another format, or lists no frame, or a frame twice.
    """
    try:
        names = {label: name for name, label in infos['metainfo']['categories'].items()}
        entries = infos['data_list']
        ids = [id_of(info) for info in entries]
        labels = [[instance['bbox_label_3d'] for instance in info['instances']] for info in entries]
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{source} is not an info file of labelled frames in the format of mmdet3d 1.1 and later '
            f"({type(error).__name__}: {error}): prepare the data by mmdet3d's create_data.py"
        ) from None
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated or not ids:
        what = f'lists frame {repeated[0]} twice' if repeated else 'lists no frames'
        raise ConfigError(f'{source} {what}: prepare the data again')
    present = [{names[label] for label in of_frame if label in names and label >= 0} for of_frame in labels]
    kept = [found & set(classes) if classes is not None else found for found in present]
    return LabelledFrames(ids, [tuple(sorted(found)) for found in kept])


def id_of(info: dict[str, Any]) -> FrameId:
    """Return the id of a frame of an info file: its ``sample_idx``, or else the file of its points."""
    sample = info.get('sample_idx')
    return info['lidar_points']['lidar_path'] if sample is None else sample


def infos_with(infos: dict[str, Any], ids: Collection[FrameId]) -> dict[str, Any]:
    """Return the content of an info file that lists only the frames with these ids."""
    wanted = set(ids)
    return dict(infos, data_list=[info for info in infos['data_list'] if id_of(info) in wanted])


def stratified_order(strata: Sequence[tuple[str, ...]], seed: int) -> list[int]:
    """Order items so that each beginning of the order holds each stratum in proportion.

    The r-th of the n items of a stratum, shuffled, goes to the place ``(r + 1/2) / n`` between 0 and 1. So up to any
    place t, a stratum has given ``t n`` items, rounded.

    Args:
        strata: The stratum of each of N items.
        seed: An integer, 0 or more.

    Returns:
        The positions 0 to N - 1 in their order, a function of the arguments alone.
    """
    members: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for position, stratum in enumerate(strata):
        members[stratum].append(position)
    rng = np.random.default_rng(seed)
    places = np.empty(len(strata))
    for stratum in sorted(members):
        count = len(members[stratum])
        places[rng.permutation(members[stratum])] = (np.arange(count) + 0.5) / count
    ties = rng.random(len(strata))  # strata of one size have the same places
    return [int(position) for position in np.lexsort((ties, places))]


def subset_sizes(percentages: Sequence[float], num_frames: int) -> dict[int, list[float]]:
    """Turn percentages into numbers of frames, rounded up.

    Args:
        percentages: Each above 0 and at most 100.
        num_frames: The frames of the whole training set, from 1.

    Returns:
        Number of frames -> the percentages that give it, both ascending.

    Raises:
        ConfigError: If a percentage is out of its range.
    """
    sizes: dict[int, list[float]] = {}
    for percent in sorted(set(percentages)):
        if not 0 < percent <= 100:
            raise ConfigError(f'--labels are per cent of the frames, above 0 and at most 100, not {percent:g}')
        sizes.setdefault(ceil(Fraction(str(percent)) * num_frames / 100), []).append(percent)
    return sizes


def size_text(frames: int, percentages: Sequence[float]) -> str:
    """Write the size of a subset, such as '5 % (4 frames)'."""
    share, number = size_parts(frames, percentages)
    return f'{share} ({number})'


def size_parts(frames: int, percentages: Sequence[float]) -> tuple[str, str]:
    """Write the two parts of a subset's size, such as '5 %' and '4 frames'."""
    return f'{" and ".join(f"{percent:g}" for percent in percentages)} %', f'{frames} frame{"s" * (frames != 1)}'
