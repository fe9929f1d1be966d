"""Whether a process runs."""

from __future__ import annotations

import os


def is_running(process: int) -> bool:
    """Return whether this machine runs a process with this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
