"""Whether a file is one whole zip archive, as ``torch.save`` writes it.

torch itself does not compare the checksums (CRC-32) that the archive holds of each member, so it reads a tensor with
flipped bits without a word.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import IO

from .export_error import ExportError

END_OF_ARCHIVE = 22
"""Bytes of a zip archive's last record, when it has no comment; torch writes none."""


def check_archive(file: IO[bytes], path: str | Path) -> None:
    """Read an archive once and compare the checksum of each member. That takes about 0.2 s per GB in memory.

    Args:
        file: The open file, which may be read from the start afterwards.
        path: Its name, for the error message.

    Raises:
        ExportError: If it is not a zip archive, is truncated, has bytes before or after it, holds a member twice or
            compressed, or a checksum differs.
    """
    check_end(file, path)
    try:
        with zipfile.ZipFile(file) as archive:
            problem = fault(archive)
    except Exception as error:  # of many kinds, for each field of the format that may be damaged
        raise ExportError(f'{path} is damaged, it cannot be read as a zip archive. Copy it again') from error
    if problem:
        raise ExportError(f'{path} is damaged or was not written by torch.save: {problem}. Copy it again')
    file.seek(0)


def check_end(file: IO[bytes], path: str | Path) -> None:
    """Look at the end of an archive only.

    Args:
        file: The open file, which may be read from the start afterwards.
        path: Its name, for the error message.

    Raises:
        ExportError: If it is not a zip archive, is truncated, or has bytes after it.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - END_OF_ARCHIVE, 0))
    end = file.read()
    if not end.startswith(b'PK\5\6') or not end.endswith(b'\0\0') or len(end) != END_OF_ARCHIVE:
        raise ExportError(
            f'{path} is not a whole zip archive as torch.save writes it: it is cut short, something follows it, or it '
            'is another kind of file. Copy it again'
        )
    file.seek(0)


def fault(archive: zipfile.ZipFile) -> str:
    """Return what is wrong with an archive, or '' if nothing is."""
    members = archive.infolist()
    # Some readers of zip archives take the first of two members with one name, others the last; some ignore the case.
    if len({member.filename.lower() for member in members}) < len(members):
        return 'it holds two members of one name'
    if not members or min(member.header_offset for member in members) != 0:
        return 'it does not begin with its first member'
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        return 'a member of it is compressed or encrypted'
    if any(member.filename.endswith('constants.pkl') for member in members):
        return 'it is a TorchScript program'
    broken = archive.testzip()
    return f'the checksum of its member {broken!r} differs' if broken else ''
