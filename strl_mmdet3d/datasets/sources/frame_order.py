"""The order of the frames of a folder, by the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

DECIMALS_OF_A_DOUBLE = 7  # of seconds since 1970, which are ten digits before the point
DIGITS_OF_NANOSECONDS = 9  # in a second

_ANY_DIGIT = str.maketrans(dict.fromkeys('123456789', '0'))
_EXTENSION = re.compile(r'(?:\.pcd)?\.[A-Za-z]\w*(?:\.gz)?$')
_NUMBER = re.compile(r'[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?')
# The last number of a name, which no digit follows. It may have a fraction.
_LAST_NUMBER = re.compile(r'(?P<before>.*?)(?P<whole>[0-9]+)(?:\.(?P<fraction>[0-9]+))?(?P<after>[^0-9]*)', re.DOTALL)


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sort key for names that orders numbers in them by value: 9.bin comes before 10.bin.

    Names that differ only in leading zeros are ordered as text, so that the order is total.
    """
    # Text and numbers alternate, and text comes first, so that a number is never compared with text.
    parts: list[str | int] = [int(part) if i % 2 else part for i, part in enumerate(re.split('([0-9]+)', name))]
    return parts, name


def stem_of(name: str) -> str:
    """Return a file's name without its extension, of which '.pcd.bin' and '.bin.gz' are one, too."""
    return _EXTENSION.sub('', name) or name


def split_last_number(stem: str) -> tuple[str, str, str | None, str] | None:
    """Return what lies before a stem's last number, its whole part, its fraction, and what follows; None without."""
    found = _LAST_NUMBER.fullmatch(stem)
    return (found['before'], found['whole'], found['fraction'], found['after']) if found else None


def have_fractions(stems: list[str]) -> bool:
    """Return whether the dots in the last numbers of names are decimal points: 1.5 comes after 1.10.

    Otherwise two whole numbers stand there, such as a part and its frame, or seconds and nanoseconds: 1.5 comes before
    1.10. Where all fractions have the same length, the order is the same. Otherwise '1.10' decides: nothing that prints
    a decimal number by its value ends with a zero (but for '1.0'), and nothing that counts begins with one. A double
    has no more than seven decimals of a second since 1970, so eight and nine are nanoseconds.
    """
    fractions = _fractions(stems) if any('.' in stem for stem in stems) else []
    if len({len(fraction) for fraction in fractions}) < 2:
        return True
    return not any(map(_is_counted, fractions)) and not _are_nanoseconds(max(map(len, fractions)))


def _are_nanoseconds(digits: int) -> bool:
    """Return whether so many digits behind a point count nanoseconds; more are the decimals of a double."""
    return DECIMALS_OF_A_DOUBLE < digits <= DIGITS_OF_NANOSECONDS


def _is_counted(fraction: str) -> bool:
    """Return whether digits behind a point end with a zero, which a number that is printed by its value never does."""
    return len(fraction) > 1 and fraction.endswith('0')


def _fractions(stems: list[str]) -> list[str]:
    """List the fractions of the last numbers of names."""
    parts = map(split_last_number, stems)
    return [part[2] for part in parts if part is not None and part[2] is not None]


def decimal_numbers(stems: list[str]) -> list[Decimal] | None:
    """Return the values of names that are all numbers, some with a point or a sign; None for other names."""
    if any('.' in stem or stem[:1] in ('+', '-') for stem in stems) and all(map(_NUMBER.fullmatch, stems)):
        return list(map(Decimal, stems)) if have_fractions(stems) else None
    return None


def _written_alike(names: list[str]) -> bool:
    """Return whether names differ in digits only, at the same places: then their order as text is that of numbers.

    Numbers with a sign, or with an exponent that has one, are another matter.
    """
    if len({name.translate(_ANY_DIGIT) for name in names}) > 1:
        return False
    stem = stem_of(names[0]) if names else ''
    return not (('-' in stem or '+' in stem) and _NUMBER.fullmatch(stem))


def in_frame_order(names: list[str]) -> list[str]:
    """Sort the names of a folder's frames.

    Names that are numbers are ordered by their value, fractions, signs and exponents included. Other names are ordered
    by what lies before their last number, naturally, and then by this number's value. The order is total.
    """
    if _written_alike(names):
        return sorted(names)
    stems = [stem_of(name) for name in names]
    return sorted(names, key=_key(names) if have_fractions(stems) else natural_key)


def _key(names: list[str]) -> Callable[[str], tuple]:
    """Return the sort key for names where the dots are decimal points."""
    stems = [stem_of(name) for name in names]
    if decimal_numbers(stems) is not None:
        return lambda name: (Decimal(stem_of(name)), natural_key(name))
    return _key_with_fraction if _fractions(stems) else natural_key


def _key_with_fraction(name: str) -> tuple:
    """Return a sort key that takes the last number of a name with its fraction."""
    parts = split_last_number(stem_of(name))
    if parts is None:
        return natural_key(name)[0], Decimal(-1), natural_key(name)
    before, whole, fraction, _ = parts
    return natural_key(before)[0], Decimal(f'{whole}.{fraction or 0}'), natural_key(name)


def ambiguity(names: list[str]) -> str | None:
    """Return a sentence about names that could be ordered in two ways, and which way was taken; None if there are none.

    Such are numbers of different lengths behind a point, if none shows what they are or if they show both (as 1.10 and
    1.05 do); and names of the same number, such as 1 and 01.
    """
    if _written_alike(names):
        return None
    stems = [stem_of(name) for name in names]
    fractions = _fractions(stems)
    longest = max(fractions, key=len, default='')
    shorter = next((fraction for fraction in fractions if len(fraction) < len(longest)), None)
    counted = any(map(_is_counted, fractions))
    decimal = any(len(fraction) > 1 and fraction[0] == '0' for fraction in fractions)
    nanoseconds = _are_nanoseconds(len(longest))
    two_ways = shorter and len(longest) <= DIGITS_OF_NANOSECONDS and (decimal if nanoseconds else counted == decimal)
    if two_ways and sorted(names, key=_key(names)) != sorted(names, key=natural_key):
        way = 'a decimal: .5 is more than .25' if have_fractions(stems) else 'a whole number: .5 is less than .25'
        return (
            f'names with .{shorter} and .{longest} can be ordered in two ways; what follows the point is taken as '
            f'{way}. Give all names the same number of digits if this is wrong'
        )
    key = _key(names) if have_fractions(stems) else natural_key
    seen: dict[str, str] = {}
    for name, stem in zip(names, stems, strict=True):
        twin = seen.setdefault(str(key(name)[:-1]), name)  # but for the last part, which makes the order total
        if twin != name and stem_of(twin) != stem:
            return f'{twin!r} and {name!r} have the same number; they are taken for two recordings'
    return None
