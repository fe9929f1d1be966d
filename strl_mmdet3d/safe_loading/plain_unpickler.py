"""Read pickles of plain values and NumPy arrays; refuse the rest before anything is called.

Python's unpickler calls what a pickle names. `PlainUnpickler` looks names up in a table of stand-ins instead, and knows
only the opcodes that pickle writes for plain values. It is written in Python: the one in C can be made to allocate any
amount of memory. This one takes about twice as long (docs/security.md).
"""

from __future__ import annotations

import io
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, ClassVar

import numpy as np

from .numpy_stand_ins import (
    StoredDtype,
    Unfinished,
    array_from_buffer,
    array_of_state,
    check_reconstruct,
    fits,
    scalar_of,
)
from .unsafe_pickle import UnsafePickleError

Name = tuple[str, str]
"""Module and name, as a pickle writes them."""

SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})
LEAVES = SCALARS | {bytearray}
CONTAINERS = frozenset({list, tuple, dict, OrderedDict, Counter, set, frozenset})
MAX_DEPTH = 100
"""How deep containers may nest. Python's own limit for many functions is 1000, and some of them crash beyond it."""


class StoredArray(Unfinished):
    """Stands in for ``numpy.core.multiarray._reconstruct``, and for the array that it begins."""

    def __init__(self, *args: Any) -> None:
        fits(bool(args) and args[0] is NDARRAY, 'an array of another class')
        check_reconstruct(args)

    def finished(self, state: Any) -> np.ndarray:
        """Return the array."""
        return array_of_state(state)


class Named:
    """What a pickle may name but not call, such as ``numpy.ndarray``."""

    def __init__(self, name: str) -> None:
        self.name = name


NDARRAY = Named('numpy.ndarray')


def bytes_of(*args: Any) -> bytes:
    """Stand in for ``bytes`` (of nothing), and for ``_codecs.encode`` of bytes before pickle's protocol 3."""
    if not args:
        return b''
    fits(len(args) == 2 and type(args[0]) is str and args[1] in ('latin1', 'latin-1'), 'encoded text')
    return args[0].encode('latin-1')


def bytearray_of(*args: Any) -> bytearray:
    """Stand in for ``bytearray``, of bytes or of what `bytes_of` takes."""
    return bytearray(args[0] if len(args) == 1 and type(args[0]) is bytes else bytes_of(*args))


def complex_of(*args: Any) -> complex:
    """Stand in for ``complex``."""
    fits(len(args) == 2 and all(type(part) is float for part in args), 'a forged complex number')
    return complex(*args)


def ordered_dict_of(*args: Any) -> OrderedDict:
    """Stand in for ``OrderedDict``: empty, its items follow."""
    fits(not args, 'a forged OrderedDict')
    return OrderedDict()


def is_plain_key(key: Any) -> bool:
    """Return whether a value may be a key or in a set. Deep tuples may not: hashing them overflows the stack."""
    if type(key) in SCALARS or isinstance(key, np.generic):
        return True
    return type(key) is tuple and all(type(part) in SCALARS or isinstance(part, np.generic) for part in key)


def set_of(kind: type) -> Callable[..., Any]:
    """Return a stand-in for ``set`` or ``frozenset``, of a list of plain keys."""

    def build(*args: Any) -> Any:
        fits(len(args) == 1 and type(args[0]) is list and all(map(is_plain_key, args[0])), 'a forged set')
        return kind(args[0])

    return build


STAND_INS: Mapping[Name, Any] = {
    ('numpy', 'ndarray'): NDARRAY,
    ('numpy', 'dtype'): StoredDtype,
    ('collections', 'OrderedDict'): ordered_dict_of,
    ('_codecs', 'encode'): bytes_of,
    # Before protocol 3, pickle calls builtins by the name of Python 2.
    **{
        (module, name): stand_in
        for module in ('builtins', '__builtin__')
        for name, stand_in in (
            ('bytes', bytes_of),
            ('bytearray', bytearray_of),
            ('complex', complex_of),
            ('set', set_of(set)),
            ('frozenset', set_of(frozenset)),
        )
    },
    # NumPy moved its core between versions 1 and 2; pickles may come from either.
    **{
        (f'numpy.{core}.{module}', name): stand_in
        for core in ('core', '_core')
        for module, name, stand_in in (
            ('multiarray', '_reconstruct', StoredArray),
            ('multiarray', 'scalar', scalar_of),
            ('numeric', '_frombuffer', array_from_buffer),
        )
    },
}
"""What a pickle of plain values may name -> what is called in its place."""

# What pickle writes for plain values, arrays and scalars. It needs no class for them, no extension registry, no
# buffer outside of the file, and nothing that drops or doubles what is on the stack.
NOT_PLAIN = [
    'PERSID',
    'BINPERSID',
    'INST',
    'OBJ',
    'NEWOBJ',
    'NEWOBJ_EX',
    'EXT1',
    'EXT2',
    'EXT4',
    'NEXT_BUFFER',
    'READONLY_BUFFER',
    'DUP',
    'POP',
    'POP_MARK',
]


class PlainUnpickler(pickle._Unpickler):
    """Reads plain values and NumPy arrays, and refuses the rest.

    Args:
        file: An open file.
        kwargs: As ``pickle.Unpickler`` takes them.
    """

    stand_ins: Mapping[Name, Any] = STAND_INS
    leaves: frozenset[type] = LEAVES
    """The types of values without parts that a result may hold, beside NumPy's."""
    containers: frozenset[type] = CONTAINERS
    advice = "Rebuild the info files with mmdet3d's tools/create_data.py"
    """How the error about a pickle ends."""
    # The state of pickle's own unpickler, which its type does not declare.
    stack: list
    memo: dict[int, Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    pop_mark: Callable[[], list]
    dispatch: ClassVar[dict[int, Any]] = {
        code: method
        for code, method in pickle._Unpickler.dispatch.items()
        if code not in {getattr(pickle, name)[0] for name in NOT_PLAIN}
    }

    def __init__(self, file: IO[bytes], **kwargs: Any) -> None:
        file = file if file.seekable() else io.BytesIO(file.read())
        super().__init__(file, **kwargs)
        start = file.tell()
        # No pickle makes larger arrays than the file. Bytes that are shared by arrays would, without end.
        self._left_to_build = 2 * (file.seek(0, io.SEEK_END) - start) + 1024
        file.seek(start)
        self._unfinished = 0
        self._callable = {id(stand_in) for stand_in in self.stand_ins.values() if callable(stand_in)}

    def load(self) -> Any:
        """Read the pickle.

        Returns:
            Its content.

        Raises:
            UnsafePickleError: If it is damaged, or asks for more than plain values and NumPy arrays.
        """
        try:
            content = super().load()
            fits(not self._unfinished, 'an array without its state')
            self.check_content(content)
        except UnsafePickleError as error:
            raise UnsafePickleError(f'the pickle is refused: {error}. {self.advice}') from None
        except Exception as error:
            raise UnsafePickleError(
                f'the pickle is damaged, or not a pickle ({type(error).__name__}: {error}). {self.advice}'
            ) from error
        return content

    def find_class(self, module: str, name: str) -> Any:
        """Look up what a pickle names.

        Args:
            module: The module.
            name: The name in it.

        Returns:
            The stand-in.

        Raises:
            UnsafePickleError: If there is none.
        """
        if (module, name) not in self.stand_ins:
            raise UnsafePickleError(f'it asks for {module}.{name}, which could run any code')
        return self.stand_ins[module, name]

    def check_content(self, content: Any) -> None:
        """Walk through the result.

        Raises:
            UnsafePickleError: If it holds something else than plain values, or nests too deep.
        """
        fits(self._is_leaf(content) or type(content) in self.containers, 'a name in place of a value')
        level = {id(content): content} if not self._is_leaf(content) or _has_objects(content) else {}
        for _ in range(MAX_DEPTH):
            level = {
                id(part): part
                for container in level.values()
                for part in _parts(container)
                if type(part) not in self.leaves and (type(part) in self.containers or self._is_checked(part))
            }
            if not level:
                return
        raise UnsafePickleError(f'its lists nest deeper than {MAX_DEPTH}, or one holds itself')

    def _is_leaf(self, value: Any) -> bool:
        """Return whether a value has no parts."""
        return type(value) in self.leaves or isinstance(value, (np.generic, np.ndarray, np.dtype))

    def _is_checked(self, part: Any) -> bool:
        """Return whether what is neither plain nor a container has parts to walk through."""
        fits(self._is_leaf(part), 'a name in place of a value')
        return _has_objects(part)

    # --- the opcodes that do more than push a plain value

    def _reduce(self) -> None:
        """Call a stand-in."""
        args = self.stack.pop()
        called = self.stack[-1]
        fits(type(args) is tuple and id(called) in self._callable, 'a call of a value')
        self.stack[-1] = self.counted(called(*args))

    def _build(self) -> None:
        """Give the state to what waits for it, and put the finished value in its place."""
        state = self.stack.pop()
        self.stack[-1] = self.built(self.stack[-1], state)

    def built(self, waiting: Any, state: Any) -> Any:
        """Return the value that a state completes.

        Raises:
            UnsafePickleError: If it needs no state, or the state is forged.
        """
        fits(isinstance(waiting, Unfinished), 'a state of a value that has none')
        value = self.counted(waiting.finished(state))
        self._unfinished -= 1
        for key in vars(waiting).pop('memo_keys', ()):
            self.memo[key] = value
        return value

    def counted(self, value: Any) -> Any:
        """Count the values that wait for their state, and the memory of those that need none."""
        if isinstance(value, Unfinished):
            self._unfinished += 1
        elif isinstance(value, np.ndarray):
            self._left_to_build -= value.size if value.dtype.hasobject else value.nbytes
        elif isinstance(value, (bytes, bytearray, set, frozenset)):
            self._left_to_build -= len(value)
        fits(self._left_to_build >= 0, 'more arrays than the file has data')
        return value

    def _remember(self, key: int) -> None:
        """Keep the top of the stack under a number."""
        value = self.stack[-1]
        self.memo[key] = value
        if isinstance(value, Unfinished):
            vars(value).setdefault('memo_keys', []).append(key)

    def _recall(self, key: int) -> None:
        """Push what was kept."""
        fits(key in self.memo, 'a reference to nothing')
        value = self.memo[key]
        fits(not isinstance(value, Unfinished), 'an array within itself')
        self.append(value)

    def _append(self) -> None:
        """Append to a list."""
        value = self.stack.pop()
        fits(type(self.stack[-1]) is list, 'an item of what is no list')
        self.stack[-1].append(value)

    def _appends(self) -> None:
        """Extend a list."""
        items = self.pop_mark()
        fits(type(self.stack[-1]) is list, 'items of what is no list')
        self.stack[-1].extend(items)

    def _setitem(self) -> None:
        """Put one item into a dictionary."""
        value = self.stack.pop()
        key = self.stack.pop()
        self._set([key], [value])

    def _setitems(self) -> None:
        """Put items into a dictionary."""
        items = self.pop_mark()
        fits(len(items) % 2 == 0, 'a key without a value')
        self._set(items[::2], items[1::2])

    def _set(self, keys: list, values: list) -> None:
        """Put items into the dictionary on the stack."""
        target = self.stack[-1]
        fits(isinstance(target, dict) and type(target) is not Counter, 'an item of what is no dictionary')
        fits(all(type(key) is str or self.is_key(key) for key in keys), 'a key that is not plain')
        for key, value in zip(keys, values, strict=True):
            target[key] = value

    def is_key(self, key: Any) -> bool:
        """Return whether a value may be a dictionary's key."""
        return is_plain_key(key)

    def _dict(self) -> None:
        """Push a dictionary of what is on the stack."""
        items = self.pop_mark()
        fits(len(items) % 2 == 0, 'a key without a value')
        self.append({})
        self._set(items[::2], items[1::2])

    def _additems(self) -> None:
        """Add to a set."""
        items = self.pop_mark()
        fits(type(self.stack[-1]) is set and all(map(is_plain_key, items)), 'a set of what is not plain')
        self.stack[-1].update(items)

    def _frozenset(self) -> None:
        """Push a frozenset of what is on the stack."""
        items = self.pop_mark()
        fits(all(map(is_plain_key, items)), 'a set of what is not plain')
        self.append(frozenset(items))

    def _bytearray8(self) -> None:
        """Push bytes that may be changed."""
        size = int.from_bytes(self.read(8), 'little')
        data = self.read(min(size, self._left_to_build + 1))
        fits(len(data) == size, 'bytes that the file does not have')
        self.append(self.counted(bytearray(data)))

    dispatch.update(
        {
            getattr(pickle, code)[0]: method
            for code, method in {
                'REDUCE': _reduce,
                'BUILD': _build,
                'PUT': lambda self: self._remember(int(self.readline()[:-1])),
                'BINPUT': lambda self: self._remember(self.read(1)[0]),
                'LONG_BINPUT': lambda self: self._remember(int.from_bytes(self.read(4), 'little')),
                'MEMOIZE': lambda self: self._remember(len(self.memo)),
                'GET': lambda self: self._recall(int(self.readline()[:-1])),
                'BINGET': lambda self: self._recall(self.read(1)[0]),
                'LONG_BINGET': lambda self: self._recall(int.from_bytes(self.read(4), 'little')),
                'APPEND': _append,
                'APPENDS': _appends,
                'SETITEM': _setitem,
                'SETITEMS': _setitems,
                'DICT': _dict,
                'ADDITEMS': _additems,
                'FROZENSET': _frozenset,
                'BYTEARRAY8': _bytearray8,
            }.items()
        }
    )


def _has_objects(value: Any) -> bool:
    """Return whether a value is an array that holds Python's objects."""
    return isinstance(value, np.ndarray) and value.dtype.hasobject


def _parts(container: Any) -> Iterator[Any]:
    """Iterate over the values of a container. A key is plain, as it was checked when it was set."""
    return iter(
        container.values() if isinstance(container, dict) else container.flat if _has_objects(container) else container
    )
