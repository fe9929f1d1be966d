"""Makes the config of a run on a label subset: its own info file and, for GT sampling, its own database."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmengine
from mmengine.config import Config, ConfigDict

from ...atomic_write import written_whole
from ...errors import ConfigError
from ...safe_loading.unsafe_pickle import UnsafePickleError
from .gt_database import fitting_groups, restricted_database
from .label_subsets import FrameId, LabelledFrames, frames_of, infos_with


def labelled_dataset(config: Config) -> ConfigDict:
    """Return the config of the labelled training set, without wrappers such as RepeatDataset.

    Raises:
        ConfigError: If the config has none with an ``ann_file``.
    """
    dataset = (config.get('train_dataloader') or {}).get('dataset') or {}
    while isinstance(dataset, dict) and isinstance(dataset.get('dataset'), dict):
        dataset = dataset['dataset']
    if not isinstance(dataset, dict) or not isinstance(dataset.get('ann_file'), str):
        raise ConfigError(
            f'{config.filename} has no training set with one ann_file: give a downstream config of a detector, such '
            'as configs/downstream/pointpillars_kitti_from_strl.py'
        )
    return dataset


def object_samplers(steps: Any) -> Iterator[ConfigDict]:
    """Find the configs of the samplers in a pipeline, in nested transforms too.

    Yields:
        The ``db_sampler`` of each ``ObjectSample``.
    """
    for step in steps if isinstance(steps, (list, tuple)) else ():
        if isinstance(step, dict):
            if str(step.get('type')).rpartition('.')[2] == 'ObjectSample':
                yield step['db_sampler']
            yield from object_samplers(step.get('transforms'))


class LabelSubsets:
    """Writes label subsets of a downstream config, and the configs that train on them.

    Args:
        config: The downstream config.
        folder: Where the info files of the subsets go.

    Attributes:
        frames: The labelled frames.

    Raises:
        ConfigError: If the config has no labelled training set, or its info file has another format.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.folder = config, folder.resolve()
        dataset = labelled_dataset(config)
        self._source = Path(dataset.get('data_root') or '') / dataset.ann_file
        self._infos = read_infos(self._source)
        classes = (dataset.get('metainfo') or {}).get('classes')
        self.frames: LabelledFrames = frames_of(self._infos, str(self._source), classes)
        self._databases: dict[Path, Any] = {}

    def config_of(self, count: int, seed: int) -> tuple[Config, list[FrameId], list[str]]:
        """Write the files of a subset.

        Args:
            count: Number of frames.
            seed: The seed that chooses them.

        Returns:
            The config that trains on the subset, the ids of its frames, and the classes that ``ObjectSample`` leaves
            out because the subset has no usable object of them.
        """
        config = copy.deepcopy(self.config)
        ids = self.frames.choose(count, seed)
        folder = self.folder / f'seed_{seed}' / f'{count}_frames'
        write_infos(infos_with(self._infos, ids), folder / 'infos.pkl')
        dataset = labelled_dataset(config)
        dataset.ann_file = str(folder / 'infos.pkl')
        dropped: list[str] = []
        for number, sampler in enumerate(object_samplers(dataset.pipeline)):
            source = Path(sampler['info_path'])
            if source not in self._databases:
                self._databases[source] = read_infos(source)
            database = restricted_database(self._databases[source], str(source), self.frames.ids, ids)
            groups, database, left_out = fitting_groups(sampler, database)
            write_infos(database, folder / f'dbinfos_{number}.pkl')
            sampler['info_path'], sampler['sample_groups'] = str(folder / f'dbinfos_{number}.pkl'), groups
            dropped += left_out
        return config, ids, dropped


def read_infos(path: Path) -> Any:
    """Read an info file as data; `load_safely` must have been called.

    Raises:
        ConfigError: If there is none, or it is damaged or holds more than data.
    """
    if not path.is_file():
        raise ConfigError(f'no info file at {path}: prepare the data, or correct the data_root of the config')
    try:
        return mmengine.load(str(path))
    except UnsafePickleError as error:
        raise ConfigError(f'{path}: {error}') from error


def write_infos(infos: Any, path: Path) -> None:
    """Write an info file whole."""
    with written_whole(path) as part:
        mmengine.dump(infos, str(part), file_format='pkl')
