"""Restricts the database of objects that mmdet3d's ``ObjectSample`` pastes to the frames of a label subset."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ...errors import ConfigError
from .label_subsets import FrameId

Database = dict[str, list[dict[str, Any]]]
"""Class -> its objects, as ``create_data.py`` writes them to ``*_dbinfos_train.pkl``."""


def restricted_database(
    database: Any, source: str, all_frames: Collection[FrameId], frames: Collection[FrameId]
) -> Database:
    """Keep the objects that were cut out of some frames.

    Args:
        database: The content of the database's info file.
        source: The file's name, for error messages.
        all_frames: The frames of the whole training set; every object must come from one of them.
        frames: The frames of the subset.

    Returns:
        Class -> the objects of the subset; a class without any has an empty list.

    Raises:
        ConfigError: If an object does not say its frame, or comes from a frame that the training set lacks.
    """
    known, wanted = set(all_frames), set(frames)
    kept: Database = {}
    try:
        for name, objects in database.items():
            stray = next((each['image_idx'] for each in objects if each['image_idx'] not in known), None)
            if stray is not None:
                raise ConfigError(
                    f'{source} holds an object of frame {stray}, which is not in the training set, so a label subset '
                    "would leak: prepare info file and database together by mmdet3d's create_data.py"
                )
            kept[name] = [each for each in objects if each['image_idx'] in wanted]
    except (AttributeError, KeyError, TypeError) as error:
        raise ConfigError(
            f'{source} does not say which frame each object comes from ({type(error).__name__}: {error}): prepare '
            "it again by mmdet3d's create_data.py, or take ObjectSample out of the pipeline"
        ) from None
    return kept


def usable(database: Database, prepare: dict[str, Any]) -> dict[str, int]:
    """Count the objects of each class that the sampler's own filters leave.

    Args:
        database: Class -> its objects.
        prepare: The sampler's ``prepare``: ``filter_by_difficulty`` and ``filter_by_min_points``.
    """
    removed = set(prepare.get('filter_by_difficulty') or ())
    least = prepare.get('filter_by_min_points') or {}
    return {
        name: sum(
            each.get('difficulty') not in removed and each.get('num_points_in_gt', 0) >= int(least.get(name, 0))
            for each in objects
        )
        for name, objects in database.items()
    }


def fitting_groups(sampler: dict[str, Any], database: Database) -> tuple[dict[str, int], Database, list[str]]:
    """Take the classes out of a sampler that have no object left, because mmdet3d's sampler fails on them.

    Args:
        sampler: The config of mmdet3d's ``DataBaseSampler``.
        database: The objects of the subset.

    Returns:
        The sampler's new ``sample_groups``, the database with an (empty) list for each class that the sampler names,
        and the names of the classes that are no longer sampled.
    """
    prepare = sampler.get('prepare') or {}
    named = {*sampler['sample_groups'], *(prepare.get('filter_by_min_points') or {})}
    database = {**{name: [] for name in sorted(named)}, **database}
    counts = usable(database, prepare)
    groups = {name: number for name, number in sampler['sample_groups'].items() if counts[name]}
    return groups, database, [name for name in sampler['sample_groups'] if name not in groups]
