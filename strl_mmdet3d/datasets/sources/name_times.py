"""Time stamps in the names of frames."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from .frame_order import decimal_numbers, have_fractions, split_last_number

NANOSECONDS = 10**9
# Seconds since 1970 in which a recording can have been made, from 2000 to 2100. Counters have other values.
FIRST_SECOND, LAST_SECOND = 946_684_800, 4_102_444_800
DIGITS_PER_UNIT = {10: 9, 13: 6, 16: 3, 19: 0}  # of whole numbers since 1970: seconds, milli-, micro- and nanoseconds

_DATE = re.compile(
    r'(?<![0-9])(?P<date>(?:19|20)[0-9]{2}([-_.]?)[01][0-9]\2[0-3][0-9])[-_.T ]?'
    r'(?P<time>[0-2][0-9]([-_.:]?)[0-5][0-9]\4[0-5][0-9])(?:[.,](?P<fraction>[0-9]{1,9})|[-_](?P<part>[0-9]{6}|[0-9]{9}))?$'
)
_SECONDS_AND_REST = re.compile(r'(?<![0-9])(?P<seconds>[0-9]{10})[-_.](?P<rest>[0-9]{1,9})$')


def times_in_names(stems: list[str]) -> list[int] | None:
    """Read the times of frames from their names without extension, if all names of a recording have one.

    These are read: seconds, milli-, micro- or nanoseconds since 1970, by their number of digits, with or without a
    fraction; seconds and nanoseconds as two numbers; a date and a time of day; and other numbers with a fraction, which
    are taken as seconds.

    Args:
        stems: The names of one recording's frames.

    Returns:
        Nanoseconds from an unknown zero, one per name; None if the names have no times.
    """
    for read in (_since_1970, _two_numbers, _dates, _fractions_of_seconds):
        times = read(stems)
        if times is not None:
            return times
    return None


def ends_with_time(stem: str) -> re.Match[str] | None:
    """Return the match of a time that is written as more than one number at the end of a name; None if there is none.

    It begins where the name of the recording ends.
    """
    found = _SECONDS_AND_REST.search(stem)
    if found and not FIRST_SECOND <= int(found['seconds']) < LAST_SECOND:
        found = None
    return found or _DATE.search(stem)


def _since_1970(stems: list[str]) -> list[int] | None:
    """Read whole numbers of a unit since 1970, and seconds with decimals."""
    decimals = have_fractions(stems)
    times = []
    for stem in stems:
        parts = split_last_number(stem)
        if parts is None or len(parts[1]) not in DIGITS_PER_UNIT or (parts[2] is not None and not decimals):
            return None
        _, whole, fraction, _ = parts
        digits = DIGITS_PER_UNIT[len(whole)]
        time = int(whole) * 10**digits
        if not FIRST_SECOND <= time // NANOSECONDS < LAST_SECOND:
            return None
        times.append(time + int(f'{fraction or 0:0<{digits}}'[:digits] or 0))
    return times


def _two_numbers(stems: list[str]) -> list[int] | None:
    """Read seconds since 1970 and, as another number, their nanoseconds, or a fraction of fixed length."""
    found = [_SECONDS_AND_REST.search(stem) for stem in stems]
    if not all(found):
        return None
    seconds = [int(match['seconds']) for match in found if match]
    rests = [match['rest'] for match in found if match]
    if not all(FIRST_SECOND <= second < LAST_SECOND for second in seconds):
        return None
    fixed = len({len(rest) for rest in rests}) == 1 and len(rests[0]) > 1
    return [
        second * NANOSECONDS + int(f'{rest:0<9}' if fixed else rest)
        for second, rest in zip(seconds, rests, strict=True)
    ]


def _dates(stems: list[str]) -> list[int] | None:
    """Read dates with the time of day at the end of names, with or without a fraction."""
    times = []
    for stem in stems:
        found = _DATE.search(stem)
        if not found:
            return None
        digits = ''.join(filter(str.isdigit, found['date'] + found['time']))
        try:
            moment = datetime.strptime(digits, '%Y%m%d%H%M%S').replace(tzinfo=UTC)
        except ValueError:  # such as the 31st of February
            return None
        fraction = found['fraction'] or found['part'] or ''
        times.append(int(moment.timestamp()) * NANOSECONDS + int(f'{fraction:0<9}'))
    return times


def _fractions_of_seconds(stems: list[str]) -> list[int] | None:
    """Read numbers with decimals, if any of the decimals is not 0."""
    values = decimal_numbers(stems)
    if values is not None:  # with signs and exponents, too
        whole = all(value == value.to_integral_value() for value in values)
        in_range = all(abs(value) < LAST_SECOND for value in values)
        return None if whole or not in_range else [int(value * NANOSECONDS) for value in values]
    parts = [split_last_number(stem) for stem in stems]
    fractions = [part[2] for part in parts if part is not None and part[2] is not None]
    if len(fractions) < len(stems) or not any(map(int, fractions)) or not have_fractions(stems):
        return None
    if any(part is None or len(part[1]) > 10 for part in parts):
        return None
    return [int(part[1]) * NANOSECONDS + int(f'{part[2]:0<9}'[:9]) for part in parts if part is not None]
