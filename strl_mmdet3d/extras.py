"""The optional dependencies: what pip's extras bring, and the error for one that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import StrlError

EXTRAS: dict[str, tuple[str, ...]] = {
    'probe': ('sklearn', 'h5py', 'trimesh'),
    'vis': ('matplotlib',),
    'sim': ('trimesh', 'embreex'),
    'formats': ('pypcd4', 'laspy', 'lazrs', 'rosbags', 'pyarrow', 'kiss_icp'),
}
"""Extra -> the top-level modules that it brings; ``extras_require`` in setup.py has the packages."""


class MissingExtraError(StrlError, ImportError):
    """An optional dependency is not installed. The message names the module and the pip command that installs it."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Turn the missing module of an extra, imported inside the block, into a `MissingExtraError`.

    A missing module that the extra does not bring stays a ModuleNotFoundError: that is a broken installation or a
    mistake in our own code, which the extra would not correct.

    Args:
        name: A key of `EXTRAS`.

    Yields:
        Nothing; the block imports, and may use what it has imported.

    Raises:
        MissingExtraError: If a module of this extra is not installed.
        KeyError: If the extra is unknown.
    """
    modules = EXTRAS[name]
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or '').partition('.')[0]
        if missing not in modules:
            raise
        raise MissingExtraError(
            f"{missing} is not installed. Install the extra that brings it: pip install 'strl_mmdet3d[{name}]'",
            name=error.name,
        ) from error
