"""Lines of text files that hold numbers."""

from __future__ import annotations


def filled_lines(content: bytes) -> list[str]:
    """Return the lines of an ASCII text that are not empty, or raise a ValueError if it is not ASCII text."""
    if not content.isascii() or b'\0' in content:
        raise ValueError('it holds bytes that are not text')
    return [line for line in content.decode('ascii').replace('\r', '\n').split('\n') if line.strip()]
