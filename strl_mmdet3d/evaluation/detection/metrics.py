"""The numbers of a test: means over the classes that mmdet3d leaves out, and the one that is compared."""

from __future__ import annotations

import difflib
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from ...errors import ConfigError, ConfigKeyError

PER_CLASS = re.compile(r'(?P<group>.*/)?(?P<name>[^/]+)_(?P<what>(?:2D|BEV|3D)_AP\d+_\w+_(?:strict|loose))')

INDOOR = re.compile(r'(?P<name>.+)_AP_(?P<iou>\d\.\d+)')

PREFERRED = ('Overall_3D_AP40_moderate', 'mAP_0.25')
"""Numbers compared by default: KITTI's, and that of SUN RGB-D and ScanNet."""

ERROR = re.compile(r'(?:.*[/_])?(?:m?A[TSOVA]E|\w+_err|loss\w*|\w+_loss)')
"""Names of numbers of which less is better, such as nuScenes' mATE and car_trans_err."""

Numbers = dict[str, float | None]


def plain_numbers(metrics: Mapping[str, float]) -> Numbers:
    """Take over all numbers of an evaluator, and add means over classes.

    Of KITTI, mmdet3d's ``Overall_*`` are means at the strict IoU only; ``Overall_*_loose`` and ``Overall_*_strict`` are
    added. Indoors, its ``mAP_*`` is not a number if the test lacks a class; ``known_mAP_*`` is added, the mean over the
    classes that it has.

    Args:
        metrics: Name -> number.

    Returns:
        The numbers, None where one is not finite (a class without objects).
    """
    numbers: Numbers = {name: float(value) if math.isfinite(value) else None for name, value in metrics.items()}
    of_classes: dict[str, list[float | None]] = defaultdict(list)
    for name, value in numbers.items():
        found = PER_CLASS.fullmatch(name)
        if found and found['name'] != 'Overall':
            of_classes[f'{found["group"] or ""}Overall_{found["what"]}'].append(value)
    for name, values in of_classes.items():
        known = [value for value in values if value is not None]
        numbers.setdefault(name, math.fsum(known) / len(known) if len(known) == len(values) else None)
    indoor: dict[str, list[float]] = defaultdict(list)
    for name, value in metrics.items():
        found = INDOOR.fullmatch(name)
        if found and math.isfinite(value):
            indoor[f'known_mAP_{found["iou"]}'].append(float(value))
    return numbers | {name: math.fsum(values) / len(values) for name, values in indoor.items()}


def find_metric(names: Iterable[str], wanted: str | None) -> str:
    """Find the number to compare.

    Args:
        names: The names that the evaluator gives.
        wanted: A name, or its last parts between slashes; None takes the first of `PREFERRED`.

    Raises:
        ConfigError: If there is no such name, or several, or if it is an error's, as the comparison takes more for
            better.
    """
    names = list(names)
    for each in [wanted] if wanted is not None else PREFERRED:
        found = [name for name in names if name == each or name.endswith(f'/{each}')]
        if len(found) == 1:
            if ERROR.fullmatch(found[0]):
                raise ConfigError(
                    f'--metric {each} is an error, of which less is better: name a score, such as mAP or NDS'
                )
            return found[0]
        if found:
            raise ConfigError(f'--metric {each} may be {" or ".join(found)}: give more of its name')
    near = difflib.get_close_matches(wanted or PREFERRED[0], names, n=3, cutoff=0)
    raise ConfigKeyError(
        f'the test gives no {wanted or " and no ".join(PREFERRED)}: name one of its numbers by --metric, such as '
        f'{", ".join(near) or "none, because it gives none at all"}'
    )
