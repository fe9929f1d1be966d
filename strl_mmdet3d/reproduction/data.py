"""The data that the tables need: which variable says where it is, what must be there, and how it is simulated."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError


@dataclass(frozen=True)
class Data:
    """A data set in the form that the configs read.

    Attributes:
        name: Its name.
        variable: The environment variable that names its folder.
        files: What must be in the folder.
        simulated: Where it is simulated, below the folder of all simulated data.
    """

    name: str
    variable: str
    files: tuple[str, ...]
    simulated: str


KITTI_INFOS = ('kitti_infos_train.pkl', 'kitti_infos_val.pkl', 'kitti_dbinfos_train.pkl')
SUNRGBD_INFOS = ('sunrgbd_infos_train.pkl', 'sunrgbd_infos_val.pkl')
S3DIS_INFOS = tuple(f's3dis_infos_Area_{area}.pkl' for area in range(1, 7))

PRETRAINING_DATA = {
    'shapenet': Data('ShapeNet', 'SHAPENET_ROOT', ('sequences.json',), 'shapes'),
    'scannet': Data('ScanNet frames', 'SCANNET_FRAMES_ROOT', ('sequences.json',), 'rooms/frames'),
    '25k': Data('ScanNet frames', 'SCANNET_FRAMES_ROOT', ('sequences_25k.json',), 'rooms/frames'),
    'kitti': Data('KITTI raw', 'KITTI_RAW_ROOT', ('sequences.json',), 'streets/raw'),
}
"""By the word in the name of a pre-training config."""

EVALUATION_DATA = {
    'shapes': Data('ModelNet40', 'SHAPES_ROOT', ('train.json', 'test.json'), 'shapes'),
    'sunrgbd': Data('SUN RGB-D', 'SUNRGBD_ROOT', SUNRGBD_INFOS, 'rooms/sunrgbd'),
    's3dis': Data('S3DIS', 'S3DIS_ROOT', S3DIS_INFOS, 's3dis'),
    'kitti': Data('KITTI detection', 'KITTI_ROOT', KITTI_INFOS, 'streets/object'),
}
"""By the word in the name of a downstream config."""


def data_of(config: str, kinds: dict[str, Data]) -> list[Data]:
    """Find what a config reads, by the words of its name."""
    return [kinds[word] for word in config.rpartition('/')[2].split('_') if word in kinds]


def check_real_data(needed: Iterable[Data]) -> None:
    """Check that all data is where the environment says.

    Raises:
        ConfigError: If a variable is not set, or a file is not there; names all of them.
    """
    missing = []
    for data in dict.fromkeys(needed):
        folder = os.environ.get(data.variable)
        if not folder:
            missing.append(f'{data.variable} is not set ({data.name})')
        else:
            missing += [f'{path} ({data.name})' for name in data.files if not (path := Path(folder, name)).is_file()]
    if missing:
        listed = '\n  '.join(missing)
        raise ConfigError(
            f'data is missing:\n  {listed}\nPrepare it as docs/data.md says, or try the table with --data simulated'
        )
