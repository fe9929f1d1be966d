"""Which frames of a folder were recorded in one go: a pair must not join two recordings.

Frames belong to different recordings if their names differ in more than the number that counts them (another log,
segment or sensor), or if their time stamps or numbers leave a gap.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from ..sequence_index import FrameSequence, SequenceIndexError
from .frame_order import decimal_numbers, have_fractions
from .name_times import DIGITS_PER_UNIT, FIRST_SECOND, LAST_SECOND, NANOSECONDS, ends_with_time, times_in_names

GAP_STEPS = 5  # a longer gap than so many usual steps ends a recording; KITTI's drives lack up to four scans in a row
SHORTEST_GAP = 1.0  # seconds: what a sensor drops in a shorter time is still the same place
FASTEST = NANOSECONDS // 1000  # a thousand frames a second; faster ones are counted, not timed
MAX_NAMED = 4  # recordings of a folder that are named

_NUSCENES = re.compile(r'(?P<log>.+__[A-Z][A-Z0-9_]*)__[0-9]{16}')
_WAYMO = re.compile(r'[0-2][0-9]{6}')
WAYMO_FRAMES = 200  # a segment has about 198, numbered by the last three digits
_DECIMAL_OR_WHOLE = re.compile(r'([0-9]+(?:\.[0-9]+)?)')
_WHOLE = re.compile(r'([0-9]+)')
_SENSOR = re.compile(r'(?:lidar|laser|velodyne|radar|cam|camera|sensor|view|channel|beam)$', re.IGNORECASE)

Key = TypeVar('Key', bound=Hashable)


@dataclass
class Recording:
    """Frames that were recorded in one go.

    Attributes:
        name: What tells it from the others of its folder; empty for the only one.
        places: The frames, as places in the list that was split, in time order.
        times: Int64 nanoseconds of the frames from an unknown zero, or None.
    """

    name: str
    places: list[int]
    times: np.ndarray | None = None

    def timestamps(self, places: list[int]) -> np.ndarray | None:
        """Return the seconds of some of the frames, given by their places, since the first of them."""
        if self.times is None or not places:
            return None
        time_of = dict(zip(self.places, self.times.tolist(), strict=True))
        times = np.array([time_of[place] for place in places], dtype=np.int64)
        return (times - times[0]) / NANOSECONDS


@dataclass
class RecordingSplitter:
    """Splits lists of frames into recordings, and keeps why.

    Attributes:
        split: Whether to split at all. Otherwise what lies together is one recording.
        gap: The shortest gap that ends a recording, in seconds, or in numbers where there are no time stamps; None for
            `GAP_STEPS` times the usual step, of time stamps at least `SHORTEST_GAP`.
        unrelated: Whether each frame is a recording of its own.
        reasons: How many times recordings were told apart, for each reason.
        lines: What was split and why, a line per folder.
    """

    split: bool = True
    gap: float | None = None
    unrelated: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raise a SequenceIndexError if the gap is out of its range."""
        if self.gap is not None and not 0 < self.gap < float('inf'):
            raise SequenceIndexError(f'--gap must be above 0, got {self.gap}')

    def recordings(self, where: str, stems: list[str], times: np.ndarray | None = None) -> list[Recording]:
        """Split the frames of a folder.

        Args:
            where: The folder, for what is printed.
            stems: The frames' names without extension, in order.
            times: Int64 nanoseconds from a file beside them, or None to read the names.

        Returns:
            The recordings in order of their first frames; together they hold each frame once.
        """
        if self.unrelated:
            return [Recording(stem, [place]) for place, stem in enumerate(stems)]
        if not self.split:
            return [Recording('', list(range(len(stems))), _timed(stems) if times is None else times)]
        before = Counter(self.reasons)
        groups, reason = _by_name(stems)
        self._count(reason, len(groups) - 1)
        recordings = []
        for label, places in groups.items():
            members = [stems[place] for place in places]
            own = _timed(members) if times is None else times[places]
            numbers = _counters(members) if own is None else None
            counted = numbers if own is None else own
            if times is None and counted is not None:  # of several folders they may be mixed
                order = np.argsort(counted, kind='stable')
                places = [places[i] for i in order.tolist()]
                own, numbers = (values if values is None else values[order] for values in (own, numbers))
            for part in np.split(np.arange(len(places)), self._cuts(own, numbers)):
                name = label.replace('*', '').strip(' _-.') if part[0] == 0 and len(groups) > 1 else ''
                name = name or stems[places[part[0]]]
                recordings.append(
                    Recording(name, [places[i] for i in part.tolist()], None if own is None else own[part])
                )
        if len(recordings) == 1:
            return [replace(recordings[0], name='')]
        why = ', '.join(f'{reason} ({number})' for reason, number in (self.reasons - before).items())
        names = ', '.join(repr(recording.name) for recording in recordings[:MAX_NAMED])
        more = f' and {len(recordings) - MAX_NAMED} more' if len(recordings) > MAX_NAMED else ''
        self.lines.append(f'{where}: {len(recordings)} recordings, {names}{more}; told apart by {why}')
        return recordings

    def at_gaps(self, sequences: Iterable[FrameSequence]) -> Iterable[FrameSequence]:
        """Split sequences whose source has told recordings apart where their time stamps leave a gap.

        The parts are named after their first frames' numbers in the sequence, and keep its poses.
        """
        for sequence in sequences:
            times = sequence.timestamps
            if times is None or not self.split:
                yield sequence
                continue
            cuts = self._cuts(np.round((times - times[0]) * NANOSECONDS).astype(np.int64), None)
            if not len(cuts):
                yield sequence
                continue
            self.lines.append(
                f'{sequence.sequence_id}: {len(cuts) + 1} recordings, since its time stamps leave gaps or go back'
            )
            for part in np.split(np.arange(len(sequence.frames)), cuts):
                start, end = int(part[0]), int(part[-1]) + 1
                yield replace(
                    sequence,
                    sequence_id=f'{sequence.sequence_id}#{start}' if start else sequence.sequence_id,
                    frames=sequence.frames[start:end],
                    poses=None if sequence.poses is None else sequence.poses[start:end],
                    timestamps=times[start:end] - times[start],
                )

    def _cuts(self, times: np.ndarray | None, numbers: np.ndarray | None) -> np.ndarray:
        """Return before which of the frames of a recording, in order, another one begins."""
        if times is not None:
            steps = np.diff(times)
            usual = _usual(steps)
            longest = max(GAP_STEPS * usual, SHORTEST_GAP * NANOSECONDS)
            back = steps < 0
            gaps = steps > (longest if self.gap is None else self.gap * NANOSECONDS)
            self._count('time stamps that go back', int(back.sum()))
            self._count('gaps of the time stamps', int(gaps.sum()))
            return np.flatnonzero(back | gaps) + 1
        if numbers is None:
            return np.zeros(0, np.int64)
        steps = np.diff(numbers)
        gaps = steps > (GAP_STEPS * _usual(steps) if self.gap is None else self.gap)
        self._count('gaps of the numbers', int(gaps.sum()))
        return np.flatnonzero(gaps) + 1

    def _count(self, reason: str, number: int) -> None:
        """Count cuts for a reason, if there are any."""
        if number > 0:
            self.reasons[reason] += number


def thinned(sequences: Iterable[FrameSequence], every: int) -> Iterator[FrameSequence]:
    """Keep every n-th frame of each sequence, beginning with the first.

    Thin what has been split: between key frames that are seconds apart, a pause does not show.

    Raises:
        SequenceIndexError: If `every` is below 1; or above 1 where each of several sequences has one frame, so that
            nothing would be left out.
    """
    if every < 1:
        raise SequenceIndexError(f'--key-frame-every must be at least 1, got {every}')
    number = longest = 0
    for sequence in sequences:
        number, longest = number + 1, max(longest, len(sequence.frames))
        yield replace(
            sequence,
            frames=sequence.frames[::every],
            poses=None if sequence.poses is None else sequence.poses[::every],
            timestamps=None if sequence.timestamps is None else sequence.timestamps[::every],
        )
    if every > 1 and number > 1 and longest == 1:
        raise SequenceIndexError(
            f'each of the {number} scans is a sequence of its own, so --key-frame-every {every} would leave none out. '
            'Leave the option out'
        )


def _usual(steps: np.ndarray) -> float:
    """Return the lower median of the steps that go forward; 0 if none does."""
    forward = np.sort(steps[steps > 0])
    return float(forward[(len(forward) - 1) // 2]) if len(forward) else 0.0


def _timed(stems: list[str]) -> np.ndarray | None:
    """Return the times in names, unless they follow each other faster than frames can."""
    times = times_in_names(stems)
    if times is None:
        return None
    array = np.array(times, dtype=np.int64)
    return None if 0 < _usual(np.diff(np.sort(array))) < FASTEST else array


def _by_name(stems: list[str]) -> tuple[dict[str, list[int]], str]:
    """Group frames by what their names say beside their number or time.

    Returns:
        The places of each group's frames by what they have in common, and how the groups were told apart.
    """
    if all(map(_NUSCENES.fullmatch, stems)):
        return _grouped([stem.rpartition('__')[0] for stem in stems]), 'log names'
    if all(map(_WAYMO.fullmatch, stems)) and all(int(stem[4:]) < WAYMO_FRAMES for stem in stems):
        return _grouped([stem[:4] for stem in stems]), 'segments (0SSSFFF)'
    if all(stem.isdigit() and stem.isascii() for stem in stems):
        return _told_apart(stems, _grouped([''] * len(stems))), 'the way that the numbers are written'
    if decimal_numbers(stems) is not None:
        return {'': list(range(len(stems)))}, 'names'
    ends = [ends_with_time(stem) for stem in stems]
    if all(ends) and _timed(stems) is not None:
        return _grouped([stem[: end.start()] for stem, end in zip(stems, ends, strict=True) if end]), 'names'
    number = _DECIMAL_OR_WHOLE if have_fractions(stems) else _WHOLE
    fields = [number.split(stem) for stem in stems]
    keys: list[str] = [''] * len(stems)
    for places in _grouped([tuple(parts[::2]) for parts in fields]).values():
        alike = [fields[place] for place in places]
        counting = _counting_fields(alike)
        for place, parts in zip(places, alike, strict=True):
            keys[place] = ''.join('*' if i in counting else part for i, part in enumerate(parts))
    return _told_apart(stems, _grouped(keys)), 'names'


def _grouped(keys: list[Key]) -> dict[Key, list[int]]:
    """List the places of each key, in order of the first ones."""
    groups: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    return groups


def _counting_fields(names: list[list[str]]) -> set[int]:
    """Choose which numbers of names count the frames of a recording; the others tell recordings apart.

    Args:
        names: Names with the same text, split into text (even places) and numbers (odd places).

    Returns:
        The place of the last number that is not the same in all names (but for a sensor's number, as in
        ``000001_lidar0``), and with it the place of a second number that says the same: an equal one, or a time
        stamp that is another one in each name. Empty if there is no such number.
    """
    columns = {i: [parts[i] for parts in names] for i in range(1, len(names[0]), 2)}
    varying = [i for i, values in columns.items() if len(set(values)) > 1]
    counted = [i for i in varying if not _SENSOR.search(names[0][i - 1])] or varying
    if not counted:
        return set()
    counter = counted[-1]
    unique = [i for i in varying if len(set(columns[i])) == len(names)]
    twins = {
        i
        for i in unique
        if columns[i] == columns[counter]
        or (counter in unique and (_are_times(columns[i]) or _are_times(columns[counter])))
    }
    return {counter} | twins


def _are_times(values: list[str]) -> bool:
    """Return whether numbers in names are time stamps: of a unit since 1970, or with decimals."""
    return all(
        '.' in value
        or (
            len(value) in DIGITS_PER_UNIT
            and FIRST_SECOND <= int(value) * 10 ** DIGITS_PER_UNIT[len(value)] // NANOSECONDS < LAST_SECOND
        )
        for value in values
    )


def _told_apart(stems: list[str], groups: dict[str, list[int]]) -> dict[str, list[int]]:
    """Split groups in which two names have the same number, such as 1 and 0001, by how the numbers are written."""
    parts: dict[str, list[int]] = {}
    for key, places in groups.items():
        numbers = [_counter(stems[place], key) for place in places]
        if len({int(number) for number in numbers if number.isdigit()}) == len(numbers) or not all(
            number.isdigit() for number in numbers
        ):
            parts[key] = places
            continue
        padded = {len(number) for number in numbers if number[0] == '0' and len(number) > 1}
        for place, number in zip(places, numbers, strict=True):
            written = f'{len(number)} digits' if len(number) in padded else 'plain numbers'
            parts.setdefault(f'{key} ({written})' if key else written, []).append(place)
    return parts


def _counter(stem: str, key: str) -> str:
    """Return the number that stands in a name where its key has a star, or else the name itself."""
    before, star, after = key.rpartition('*')
    if not star or '*' in before:
        return stem
    return stem[len(before) : len(stem) - len(after)]


def _counters(stems: list[str]) -> np.ndarray | None:
    """Return the numbers that count the frames of one recording, in order; None without any."""
    values = decimal_numbers(stems)
    if values is not None:
        return np.array(values, dtype=np.float64)
    digits = counting_digits(stems)
    return None if digits is None else np.array([*map(float, digits)])


def counting_digits(stems: list[str]) -> list[str] | None:
    """Return the digits that count frames in their names, such as 000001 in ``000001_lidar0``.

    Args:
        stems: The names of one recording's frames, without extension.

    Returns:
        One for each name; None if the names differ in more than numbers, or in none.
    """
    fields = [_WHOLE.split(stem) for stem in stems]
    if len({tuple(parts[::2]) for parts in fields}) > 1 or len(fields[0]) < 3:
        return None
    counting = _counting_fields(fields)
    return [parts[max(counting)] for parts in fields] if counting else None


def times_of_names(stems: list[str]) -> dict[str, int]:
    """Read the times in the names of a folder's frames, of each recording by itself, as the splitter does.

    How a recording writes its times shows in all of its names only.

    Args:
        stems: The names of all frames of the folder, without extension.

    Returns:
        Name -> nanoseconds from an unknown zero, of the recordings whose names have times.
    """
    found: dict[str, int] = {}
    for places in _by_name(stems)[0].values():
        members = [stems[place] for place in places]
        found |= zip(members, times_in_names(members) or [], strict=False)
    return found
