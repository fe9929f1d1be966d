"""Look through a checkpoint before torch reads it.

``torch.load`` with ``weights_only`` calls only what is on its list. Some of that still lets a file end the process: a
deep tuple as a key overflows the stack, ``bytearray(10**12)`` takes all memory, and older versions read beyond a tensor
that states too many elements. So `PlainUnpickler` reads the checkpoint first, with placeholders for its tensors, and
accepts only what ``torch.save`` writes for tensors, plain values and mmengine's log.
"""

from __future__ import annotations

import io
import pickle
from collections import Counter, OrderedDict
from collections.abc import Collection
from typing import IO, Any, ClassVar

import torch
from mmengine.logging import HistoryBuffer
from torch._C import PyTorchFileReader

from .history import UnfinishedHistory, statistic_of
from .numpy_stand_ins import fits
from .plain_unpickler import CONTAINERS, LEAVES, STAND_INS, Name, Named, PlainUnpickler
from .torch_stand_ins import config_of
from .unsafe_pickle import UnsafePickleError

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""How a file begins that torch wrote before version 1.6."""
STORAGES = {
    f'{name}Storage': size
    for size, names in {
        1: 'Byte Char Bool QInt8 QUInt8 QUInt4x2 QUInt2x4 Untyped',
        2: 'Short Half BFloat16',
        4: 'Int Float QInt32',
        8: 'Long Double ComplexFloat',
        16: 'ComplexDouble',
    }.items()
    for name in names.split()
}
"""Name -> bytes of an element."""


class Storage(Named):
    """A class of storages.

    Args:
        name: A key of `STORAGES`.
    """

    @property
    def item_size(self) -> int:
        """Bytes of an element."""
        return STORAGES[self.name]


class StoredTensor:
    """A placeholder for a tensor or its storage."""


class Constant(Named):
    """A placeholder for a dtype or device."""


class Record(dict):
    """A placeholder for an object of which only the attributes or items matter."""


def record_of(*args: Any) -> Record:
    """Stand in for a class of records."""
    fits(not args, 'a record made of arguments')
    return Record()


def tensor_of(*args: Any) -> StoredTensor:
    """Stand in for ``_rebuild_tensor_v2``. Whether the tensor fits its storage, torch checks by itself."""
    fits(6 <= len(args) <= 7 and type(args[0]) is StoredTensor, 'a forged tensor')
    _, offset, shape, strides, grad, hooks, *metadata = args
    sides = (*shape, *strides) if type(shape) is tuple and type(strides) is tuple else (None,)
    fits(all(type(side) is int and side >= 0 for side in (offset, *sides)), 'a forged tensor')
    fits(type(grad) is bool and type(hooks) is OrderedDict and not hooks, 'a tensor with hooks')
    fits(all(each is None or (type(each) is dict and not each) for each in metadata), 'a tensor with metadata')
    return StoredTensor()


def parameter_of(*args: Any) -> StoredTensor:
    """Stand in for ``_rebuild_parameter``."""
    fits(len(args) == 3 and type(args[0]) is StoredTensor and type(args[1]) is bool, 'a forged parameter')
    fits(type(args[2]) is OrderedDict and not args[2], 'a parameter with hooks')
    return StoredTensor()


def size_of(*args: Any) -> tuple:
    """Stand in for ``torch.Size``."""
    fits(len(args) == 1 and type(args[0]) is tuple and all(type(n) is int for n in args[0]), 'a forged size')
    return args[0]


def device_of(*args: Any) -> Constant:
    """Stand in for ``torch.device``."""
    fits(bool(args) and type(args[0]) is str and all(type(index) is int for index in args[1:]), 'a forged device')
    return Constant('torch.device')


def counter_of(*args: Any) -> Counter:
    """Stand in for ``Counter``, in which mmengine's schedulers keep their milestones."""
    fits(len(args) == 1 and type(args[0]) is dict, 'a forged Counter')
    fits(all(type(number) is int for item in args[0].items() for number in item), 'a Counter of what is no number')
    return Counter(args[0])


def history_class(*args: Any) -> UnfinishedHistory:
    """Stand in for `HistoryBuffer`."""
    fits(not args, 'a HistoryBuffer made of arguments')
    return UnfinishedHistory()


def history_statistic(*args: Any) -> None:
    """Stand in for ``getattr`` of `HistoryBuffer`: its statistics are not taken from the checkpoint."""
    fits(len(args) == 2 and args[0] is history_class, 'a reference to what is no statistic')
    statistic_of(HistoryBuffer, args[1])


CHECKPOINT_STAND_INS = {
    **STAND_INS,
    ('collections', 'Counter'): counter_of,
    ('torch._utils', '_rebuild_tensor_v2'): tensor_of,
    ('torch._utils', '_rebuild_parameter'): parameter_of,
    ('torch', 'Size'): size_of,
    ('torch', 'device'): device_of,
    ('mmengine.logging.history_buffer', 'HistoryBuffer'): history_class,
    ('mmengine.config.config', 'ConfigDict'): config_of,
    ('__builtin__', 'getattr'): history_statistic,
    ('builtins', 'getattr'): history_statistic,
    **{(module, name): Storage(name) for module in ('torch', 'torch.cuda', 'torch.storage') for name in STORAGES},
    **{('torch', name): Constant(name) for name, value in vars(torch).items() if isinstance(value, torch.dtype)},
}
"""What a checkpoint may name -> what is called in its place."""


class CheckpointChecker(PlainUnpickler):
    """Reads the pickle of a checkpoint, with placeholders for its tensors.

    Args:
        file: An open file.
        records: Of a zip file, torch's reader of it.
        extra: The classes that the file may name in addition, of which only the content matters: 'module.name'.
    """

    stand_ins = CHECKPOINT_STAND_INS
    leaves = LEAVES | {StoredTensor, Constant, HistoryBuffer}
    containers = CONTAINERS | {Record}
    advice = 'Take a checkpoint that mmengine wrote, from a source that you trust'

    def __init__(self, file: IO[bytes], records: Any = None, extra: Collection[str] = ()) -> None:
        parts = [name.rpartition('.') for name in extra]
        records_of: dict[Name, Any] = dict.fromkeys(((module, name) for module, _, name in parts), record_of)
        self.stand_ins = records_of | CHECKPOINT_STAND_INS
        super().__init__(file)
        self._records = records

    def is_key(self, key: Any) -> bool:
        """Return whether a value may be a dictionary's key. Lightning uses classes as such."""
        return key is record_of or super().is_key(key)

    def persistent_load(self, pid: Any) -> StoredTensor:
        """Check the storage of a tensor.

        Args:
            pid: 'storage', its class, its key in the file, the device, the number of elements; in old files a view.

        Raises:
            UnsafePickleError: If torch does not write it, or the file has not as many bytes.
        """
        fits(type(pid) is tuple and 5 <= len(pid) <= 6 and pid[0] == 'storage', 'a reference beyond the file')
        _, kind, key, device, count, *view = pid
        fits(type(kind) is Storage and type(key) is str and type(device) is str, 'a forged storage')
        fits(type(count) is int and count >= 0 and all(part is None for part in view), 'a forged storage')
        if self._records is not None:
            stored = record_size(self._records, f'data/{key}')
            fits(stored == count * kind.item_size, f'{stored} bytes for a tensor of {count * kind.item_size}')
        return StoredTensor()

    def built(self, waiting: Any, state: Any) -> Any:
        """Return the value that a state completes. An OrderedDict of weights has ``_metadata``, their versions."""
        if type(waiting) is OrderedDict:
            fits(type(state) is dict and state.keys() <= {'_metadata'}, 'an OrderedDict with attributes')
            for metadata in state.values():
                self.check_content(metadata)
            return waiting
        if type(waiting) is Record:
            fits(type(state) is dict and all(type(attribute) is str for attribute in state), 'a forged record')
            waiting.update(state)
            return waiting
        return super().built(waiting, state)

    def _binpersid(self) -> None:
        """Push a placeholder for a storage."""
        self.append(self.persistent_load(self.stack.pop()))

    def _newobj(self) -> None:
        """Push an object that waits for its state."""
        args, called = self.stack.pop(), self.stack.pop()
        fits(called is history_class or called is record_of, 'a new object of another class')
        fits(type(args) is tuple, 'a forged object')
        self.append(self.counted(called(*args)))

    dispatch: ClassVar[dict[int, Any]] = PlainUnpickler.dispatch | {
        pickle.BINPERSID[0]: _binpersid,
        pickle.NEWOBJ[0]: _newobj,
    }


def record_size(records: Any, name: str) -> int:
    """Return the bytes of a part of a zip file.

    Args:
        records: torch's reader of the file.
        name: The part.
    """
    if hasattr(records, 'get_record_size'):
        return records.get_record_size(name)
    return len(records.get_record(name))


def check_checkpoint(file: IO[bytes], allowed: Collection = ()) -> None:
    """Look through a checkpoint that torch has not read yet.

    Args:
        file: The open file. Its position stays.
        allowed: What it may name beside `CHECKPOINT_STAND_INS`, as ``add_safe_globals`` takes it: classes of which
            only the items or attributes matter.

    Raises:
        UnsafePickleError: If it is damaged, or holds more than tensors, plain values and mmengine's log.
    """
    names = [each[1] if isinstance(each, tuple) else f'{each.__module__}.{each.__qualname__}' for each in allowed]
    start = file.tell()
    try:
        is_zip = file.read(4) == b'PK\x03\x04'
        file.seek(start)
        if is_zip:
            records: Any = PyTorchFileReader(file)  # zip files are read in many ways; this one is torch.load's
            fits(not records.has_record('constants.pkl'), 'a TorchScript program')
            CheckpointChecker(io.BytesIO(records.get_record('data.pkl')), records, names).load()
        else:
            fits(CheckpointChecker(file).load() == LEGACY_MAGIC, 'no checkpoint')
            for _ in range(4):  # the version, the system, the content, the keys of the storages
                CheckpointChecker(file, extra=names).load()
    except (RuntimeError, ValueError) as error:  # of torch's reader
        reason = str(error).partition('\n')[0].rpartition('] . ')[2]  # without the line of torch's source
        raise UnsafePickleError(f'it is damaged ({reason}). {CheckpointChecker.advice}') from error
    finally:
        file.seek(start)
