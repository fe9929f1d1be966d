"""The errors that the plug-in foresees."""

from __future__ import annotations


class StrlError(Exception):
    """A foreseen error: its message says in plain words what is wrong with which file or setting, and what to do.

    The tools print the message alone, without a traceback. Each room derives its own errors from this class.
    """

    def __str__(self) -> str:
        """Return the plain message; a KeyError among the bases would put it in quotes."""
        return Exception.__str__(self)


class ConfigError(StrlError, ValueError):
    """A setting does not fit the data, the detector or another setting. The message names it and a value that fits."""


class ConfigKeyError(ConfigError, KeyError):
    """A setting names something that does not exist. The message names what exists."""
