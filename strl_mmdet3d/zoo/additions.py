"""Adding an encoder to the zoo: the file, its record, and the gains out of the result files of a study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic_write import write_text_whole, written_whole
from ..export import read_exported
from ..file_hash import sha256_of
from .encoders import ZOO, ZooError, read_entries
from .entry import DetectorGain, Entry

LARGEST_ZOO = 20 * 2**20
"""Bytes of all files together, so that a clone and a wheel stay small."""

FEWEST_SEEDS = 3
"""A gain of fewer paired seeds has no interval worth the name."""


def read_results(path: Path) -> dict[str, Any]:
    """Read the ``results.json`` of a study.

    Raises:
        ZooError: If it is none.
    """
    try:
        results = json.loads(path.read_text(encoding='utf-8'))
        complete = {'title', 'metric', 'iterations', 'confidence', 'rows', 'differences'} <= results.keys()
    except (ValueError, AttributeError) as error:
        raise ZooError(f'{path} is no results.json of tools/evaluate_pretraining.py ({error})') from error
    if not complete:
        raise ZooError(f'{path} is no results.json of tools/evaluate_pretraining.py')
    return results


def gains_of(results: Mapping[str, Any], arm: str, baseline: str = 'scratch') -> list[DetectorGain]:
    """Take the gains of an arm out of the results of ``tools/evaluate_pretraining.py``.

    Args:
        results: The content of its ``results.json``.
        arm: The arm, such as ``finetuned-motion``.
        baseline: The arm that it is compared with.

    Raises:
        ZooError: If they hold no comparison of the two, or too few seeds, or some runs are missing.
    """
    if results.get('num_missing'):
        raise ZooError(f'{results["num_missing"]} runs have no result yet: finish the study first')
    rows = {(row['arm'], row['num_frames']): row for row in results['rows']}
    gains = []
    for each in results['differences']:
        if (each['arm'], each['baseline']) != (arm, baseline):
            continue
        if len(each['seeds']) < FEWEST_SEEDS:
            raise ZooError(f'{arm} has {len(each["seeds"])} paired seeds with {baseline}, and needs {FEWEST_SEEDS}')
        mean, compared = (
            sum(rows[name, each['num_frames']]['values'][str(seed)] for seed in each['seeds']) / len(each['seeds'])
            for name in (arm, baseline)
        )
        gains.append(
            DetectorGain(
                downstream=results['title'],
                arm=arm,
                num_frames=each['num_frames'],
                iterations=results['iterations'],
                metric=results['metric'],
                seeds=list(each['seeds']),
                baseline=compared,
                mean=mean,
                difference=each['mean'],
                low=each['low'],
                high=each['high'],
                confidence=results['confidence'],
            )
        )
    if not gains:
        raise ZooError(f'the results hold no difference of {arm} to {baseline}')
    return gains


def add_encoder(
    encoder: Path, name: str, facts: Mapping[str, Any], gains: Sequence[DetectorGain] = (), folder: Path = ZOO
) -> Entry:
    """Put an exported encoder into the zoo, or in the place of the one with its name.

    Args:
        encoder: A file that ``tools/export_encoder.py`` or `ExportEncoderHook` wrote.
        name: Its name in ``strl://NAME``.
        facts: ``detector``, ``config``, ``data``, ``commands`` and ``made`` of `Entry`.
        gains: What it gained.
        folder: The zoo.

    Raises:
        ExportError: If the file is no exported encoder.
        ZooError: If the name is no plain file name, or all files together would be larger than `LARGEST_ZOO`.
    """
    if not name.replace('_', '').isalnum():
        raise ZooError(f'the name of an encoder is of letters, digits and underscores, not {name!r}')
    read_exported(encoder)
    entry = Entry(
        name=name,
        file=f'{name}.pth',
        sha256=sha256_of(encoder),
        size=encoder.stat().st_size,
        gains=list(gains),
        **facts,
    )
    others = {} if not (folder / 'encoders.json').exists() else read_entries(folder)
    entries = {**others, name: entry}
    if sum(each.size for each in entries.values()) > LARGEST_ZOO:
        raise ZooError(f'with {encoder} the zoo would be larger than {LARGEST_ZOO / 2**20:g} MB')
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / entry.file) as part:
        shutil.copyfile(encoder, part)
    records = [entries[key].plain() for key in sorted(entries)]
    write_text_whole(folder / 'encoders.json', json.dumps(records, indent=1) + '\n')
    return entry
