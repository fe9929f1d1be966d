"""The steps that simulate the data of a table, and prepare it as the real data is prepared."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from .data import Data
from .sizes import TINY_DATA
from .step import Settings, Step

SIMULATORS = {'shapes': 'shapes', 'rooms': 'scannet', 'streets': 'kitti', 's3dis': 's3dis'}
"""A folder of simulated data -> the data set of ``tools/simulate_data.py``."""

SOURCES: dict[str, tuple[str, dict[str, list[str]]]] = {
    'shapes': (
        'shapes',
        {
            'sequences.json': ['--split', 'train', '--no-labels'],
            'train.json': ['--split', 'train'],
            'test.json': ['--split', 'test'],
        },
    ),
    # Half of the simulated frames, as 25,000 are a part of ScanNet's.
    'rooms': ('scannet', {'sequences.json': [], 'sequences_25k.json': ['--key-frame-every', '2']}),
    'streets': ('kitti-raw', {'sequences.json': []}),
}
"""A folder of simulated data -> the source of ``tools/create_sequence_index.py``, and its options for each index."""


def data_steps(needed: Iterable[Data], settings: Settings) -> Iterator[Step]:
    """Yield the steps that simulate data and prepare it."""
    for data in needed:
        folder = PurePosixPath(data.simulated).parts[0]
        root = settings.path('data', folder)
        yield simulation(folder, root, settings)
        source, options = SOURCES.get(folder, ('', {}))
        inner = settings.path('data', data.simulated)
        for name in data.files:
            if name in options:
                arguments = [source, '--root', inner, '--out', f'{inner}/{name}', *options[name]]
                step = f'data/{folder}_{Path(name).stem}'
                yield Step(step, 'create_sequence_index', tuple(arguments), leaves=f'{inner}/{name}')
        if data.variable == 'KITTI_ROOT':
            yield kitti_infos(inner)


def simulation(folder: str, root: str, settings: Settings) -> Step:
    """Return the step that simulates a folder of data."""
    dataset = SIMULATORS[folder]
    options = TINY_DATA[dataset] if settings.tiny else []
    return Step(f'data/{folder}', 'simulate_data', (dataset, '--out', root, *options), leaves=root)


def kitti_infos(root: str) -> Step:
    """Return the step by which mmdet3d prepares labelled frames."""
    spec = importlib.util.find_spec('mmdet3d')
    folder = (spec.submodule_search_locations if spec else None) or ['mmdet3d']
    mim = Path(folder[0], '.mim')
    arguments = ('kitti', '--root-path', root, '--out-dir', root, '--extra-tag', 'kitti')
    script, environment = str(mim / 'tools/create_data.py'), (('PYTHONPATH', str(mim)),)
    return Step('data/streets_infos', script, arguments, environment, leaves=f'{root}/kitti_infos_train.pkl')


def environment_of(needed: Iterable[Data], settings: Settings) -> dict[str, str]:
    """Return the variables that lead to simulated data; real data is where the environment says."""
    if settings.data == 'real':
        return {}
    return {data.variable: settings.path('data', *PurePosixPath(data.simulated).parts) for data in needed}
