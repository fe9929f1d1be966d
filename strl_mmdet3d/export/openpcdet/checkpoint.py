"""Reads and writes OpenPCDet's checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...safe_loading import allowed_globals
from ..checkpoint_file import load_tensors
from ..export_error import ExportError
from ..plain_content import is_plain_dict, plain_state_dict


def read_openpcdet(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of OpenPCDet by `load_tensors`, so that none of its code is run.

    Beside tensors and plain values it may hold NumPy's scalars, which the state of OpenPCDet's optimizer has. Files of
    the format before torch 1.6 are read too: OpenPCDet still writes it.

    Returns:
        Its ``model_state``, and ``epoch`` and ``it``, the numbers of epochs and steps, 0 if it has none.

    Raises:
        ExportError: If it is missing, damaged, refused as unsafe, or holds no state of a model; names the file.
    """
    content = load_tensors(path, numpy_globals(), legacy=True)
    if not is_plain_dict(content) or 'model_state' not in content:
        raise ExportError(f'{path} holds no model_state: OpenPCDet did not write it')
    counts = {count: content.get(count) or 0 for count in ('epoch', 'it')}
    if not all(type(number) is int and 0 <= number < 2**63 for number in counts.values()):
        raise ExportError(f'{path} was not written by OpenPCDet: its epoch or it is not a whole number')
    return dict(counts, model_state=plain_state_dict(content['model_state'], str(path), Path(path).stat().st_size))


def numpy_globals() -> list:
    """List what NumPy's scalars and arrays need in a checkpoint, as ``add_safe_globals`` takes it."""
    return [(stand_in, name) for stand_in, name in allowed_globals() if name.startswith('numpy.')]
