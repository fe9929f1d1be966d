"""Records which data the results in a work directory are of, so that no others are taken or reported for them.

Data reaches a step by environment variables, so its arguments do not tell.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from ..atomic_write import write_text_whole
from ..errors import ConfigError
from ..file_hash import sha256_of
from ..locks import locked
from .data import Data
from .results import FOLDER
from .step import Settings

FILE = 'data.json'


def recorded_files(settings: Settings) -> dict[str, str]:
    """Return the real files that results in the work directory are of: 'KITTI_ROOT/NAME' -> SHA-256.

    Raises:
        ConfigError: If the directory holds results, and of other data, or does not say of which.
    """
    path = settings.work_dir / FILE
    if not path.is_file():
        if (settings.work_dir / FOLDER).is_dir():
            raise ConfigError(
                f'{settings.work_dir} holds results, and no {FILE} that says of which data. Name another folder by '
                '--work-dir'
            )
        return {}
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
        data, files = record['data'], dict(record['files'])
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f'{path} is damaged ({error}): name another folder by --work-dir') from error
    if data != settings.data:
        raise ConfigError(
            f'{settings.work_dir} holds results of {data} data, not of {settings.data}. Name another folder by '
            f'--work-dir, or take --data {data}'
        )
    return files


def record_data(settings: Settings, needed: Iterable[Data]) -> None:
    """Record the data that steps are about to read; real data by the contents of its files.

    Raises:
        ConfigError: If earlier results in the work directory are of other data.
    """
    recorded_files(settings)  # what is of other data is refused before files are read for minutes
    found: dict[str, tuple[Path, str]] = {}
    if settings.data == 'real':
        for data in dict.fromkeys(needed):
            for name in data.files:
                path = Path(os.environ[data.variable], name)
                found[f'{data.variable}/{name}'] = path, sha256_of(path)
    record = settings.work_dir / FILE
    with locked(record, 'recording the data'):  # another run may have recorded its own meanwhile
        files = recorded_files(settings)
        for key, (path, sha256) in found.items():
            if files.setdefault(key, sha256) != sha256:
                raise ConfigError(
                    f'{path} is not the file of the results in {settings.work_dir}: its contents are others. Name '
                    'another folder by --work-dir'
                )
        text = json.dumps(dict(data=settings.data, files=files), indent=1) + '\n'
        if not record.is_file() or record.read_text(encoding='utf-8') != text:
            write_text_whole(record, text)
