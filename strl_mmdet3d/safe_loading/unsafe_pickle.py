"""The error about a pickle that is refused."""

from __future__ import annotations

import pickle

from ..errors import StrlError


class UnsafePickleError(StrlError, pickle.UnpicklingError):
    """A pickle asks for more than plain values and NumPy arrays, or is damaged. What it asks for was not called."""
