"""A grammar of forged pickles: calls, states and references that pickle could write, and many that it never would.

Run as a program, it reads pickles and counts what became of them: info files by our unpickler, checkpoints by torch's
with our list, and whole files by our reader of both. A crash ends it.

    python forged_pickles.py COUNT SEED [info] [checkpoint] [file]
"""

from __future__ import annotations

import faulthandler
import io
import json
import pickle
import random
import struct
import sys
import zipfile
from collections import Counter

NAMES = [
    *('numpy.ndarray', 'numpy.dtype', 'numpy.core.multiarray._reconstruct', 'numpy._core.multiarray._reconstruct'),
    *('numpy.core.multiarray.scalar', 'numpy._core.multiarray.scalar', 'numpy.core.numeric._frombuffer'),
    *('builtins.set', 'builtins.frozenset', 'builtins.bytes', 'builtins.bytearray', 'builtins.complex'),
    *('__builtin__.set', '__builtin__.bytes', '__builtin__.bytearray', '__builtin__.getattr', 'builtins.getattr'),
    *(
        '_codecs.encode',
        'collections.OrderedDict',
        'collections.Counter',
        'torch.Size',
        'torch.device',
        'torch.float32',
    ),
    *('torch.FloatStorage', 'torch.LongStorage', 'torch.storage.UntypedStorage', 'torch._utils._rebuild_tensor_v2'),
    *('torch._utils._rebuild_parameter', 'mmengine.logging.history_buffer.HistoryBuffer', 'argparse.Namespace'),
    'mmengine.config.config.ConfigDict',
]
FORBIDDEN = [
    *('os.getcwd', 'builtins.eval', 'builtins.exec', 'numpy.frombuffer', 'numpy.load', 'numpy.ndarray.tofile'),
    *('numpy.core.multiarray.array', 'numpy.recarray', 'numpy.memmap', 'numpy.dtypes.ObjectDType', 'builtins.type'),
    *('ctypes.string_at', 'copyreg._reconstructor', 'builtins.object', 'torch.Tensor.set_', 'torch.jit.load'),
]
DTYPES = [
    'f8',
    'f4',
    'i8',
    'i4',
    'u1',
    'b1',
    'c16',
    'U1',
    'U3',
    'S2',
    'M8',
    'm8',
    'O8',
    'V8',
    'f16',
    'f8,O',
    'U0',
    'O',
    '',
    'x',
]
NUMBERS = [0, 1, 2, 3, 4, 7, 8, 63, 255, 2**16, 2**31 - 1, 2**31, 2**62, 2**63, -1, -(2**31)]
TEXTS = [
    '',
    'b',
    'f8',
    'i4',
    '<',
    '>',
    '|',
    'O8',
    'latin1',
    'zip',
    'utf-8',
    'min',
    '__globals__',
    'storage',
    '0',
    'cpu',
    'C',
    'F',
    'K',
]
LEGAL_STATE = dict(f=(3, '<', None, None, None, -1, -1, 0))


class Writer:
    """Writes one pickle.

    Args:
        rng: Draws what is written.
        old: Whether only the opcodes of protocol 2 are used, as torch does.
    """

    def __init__(self, rng: random.Random, old: bool):
        self.rng, self.old, self.out, self.memo = rng, old, bytearray(b'\x80\x02' if old else b'\x80\x04'), 0

    def write(self, *parts: bytes) -> None:
        for part in parts:
            self.out += part

    def often(self, share: float) -> bool:
        return self.rng.random() < share

    def name(self, full: str) -> None:
        module, _, name = full.rpartition('.')
        if full == 'numpy.ndarray.tofile':
            module, name = 'numpy', 'ndarray.tofile'
        if self.old or self.often(0.3):
            self.write(b'c', module.encode(), b'\n', name.encode(), b'\n')
        else:
            self.value(module), self.value(name), self.write(b'\x93')

    def value(self, value: object) -> None:
        """A plain value as pickle writes it."""
        if isinstance(value, bytes) and (self.old or self.often(0.1)):
            self.name('_codecs.encode'), self.value(value.decode('latin-1')), self.value('latin1')
            self.write(b'\x86R')
        elif isinstance(value, tuple):
            self.write(b'('), [self.value(part) for part in value], self.write(b't')
        else:
            text = pickle.dumps(value, 2 if self.old else self.rng.choice([1, 2, 3, 4]))
            body = text[2:-1] if text[:1] == b'\x80' else text[:-1]
            self.write(body[9:] if body[:1] == b'\x95' else body)

    def call(self, name: str, *arguments) -> None:
        self.name(name)
        self.write(b'(')
        for argument in arguments:
            argument() if callable(argument) else self.value(argument)
        self.write(b't', b'R' if self.often(0.95) else b'\x81')
        self.remember()

    def remember(self) -> None:
        if self.often(0.5):
            number = self.memo if self.often(0.97) else self.rng.choice([0, 5, 2**31 - 1, 2**32 - 1])
            self.write(b'r', struct.pack('<I', number))
            self.memo += 1

    def build(self, *state) -> None:
        self.write(b'(')
        for part in state:
            part() if callable(part) else self.value(part)
        self.write(b't', b'b' * self.rng.choice([1, 1, 1, 1, 1, 1, 1, 2]))

    def forged(self, value: object, share: float = 0.12) -> object:
        """The value, or now and then another one."""
        if not self.often(share):
            return value
        return self.rng.choice(
            [
                *(
                    self.rng.choice(NUMBERS),
                    self.rng.choice(TEXTS),
                    None,
                    True,
                    1.5,
                    b'A' * self.rng.choice([0, 1, 8, 64]),
                ),
                *((self.rng.choice(NUMBERS),) * self.rng.randrange(4), lambda: self.expression(3)),
                *([], {}, (), lambda: self.name(self.rng.choice(NAMES))),
            ]
        )

    def dtype(self, name: str | None = None) -> None:
        name = name or self.rng.choice(DTYPES)
        size = int(name[1:]) if name[1:].isdigit() else 8
        text = name[:1] in ('U', 'S', 'V')
        state = [3, '<', None, None, None, size * (4 if name[0] == 'U' else 1) if text else -1, -1]
        state += [{'O': 63, 'U': 8}.get(name[:1], 0)]
        if name[:1] in ('M', 'm') and name[1:]:
            state += [({}, (b'ns', 1, 1, 1))]
        if self.often(0.05):  # fields that lie beyond the item
            state[3:5] = [('a',), {'a': (0, 2**40)}]
        self.call('numpy.dtype', self.forged(name, 0.03), self.forged(False, 0.03), self.forged(True, 0.03))
        if self.often(0.97):
            self.build(*[self.forged(part, 0.02) for part in state])

    def array(self) -> None:
        name = self.rng.choice(DTYPES[:13]) if self.often(0.9) else self.rng.choice(DTYPES)
        shape = tuple(self.rng.choice([0, 1, 2, 3]) for _ in range(self.rng.choice([0, 1, 1, 1, 2, 3])))
        count = 1
        for side in shape:
            count *= side
        width = int(name[1:] or 0) if name[1:].isdigit() else 8
        data: object = bytes(self.rng.choice([0, 1, 65]) for _ in range(count * width * (4 if name[:1] == 'U' else 1)))
        if name[:1] == 'O' and self.often(0.8):
            data = [None, 'x', 1.0, 'y', 2, 'z'] * 5
            data = data[:count]
        if name[:1] in ('U', 'b') and self.often(0.9):
            data = bytes(len(data)) if isinstance(data, bytes) else data
        shape, data = self.forged(shape), self.forged(data)
        core = self.rng.choice(['core', '_core'])
        what = self.rng.random()
        if what < 0.6:
            self.call(
                f'numpy.{core}.multiarray._reconstruct',
                self.forged(lambda: self.name('numpy.ndarray'), 0.03),
                self.forged((0,), 0.03),
                self.forged(b'b', 0.03),
            )
            if self.often(0.95):
                self.build(
                    self.forged(1, 0.02),
                    shape,
                    self.forged(lambda: self.dtype(name), 0.03),
                    self.forged(False, 0.03),
                    data,
                )
        elif what < 0.8:
            self.call(f'numpy.{core}.multiarray.scalar', lambda: self.dtype(name), data)
        elif what < 0.9:
            self.call(
                f'numpy.{core}.numeric._frombuffer',
                data,
                lambda: self.dtype(name),
                shape,
                self.rng.choice(['C', 'F', 'K']),
            )
        else:
            self.call('numpy.ndarray', shape, lambda: self.dtype(name), data)

    def history(self) -> None:
        self.name('mmengine.logging.history_buffer.HistoryBuffer')
        self.write(b')\x81' if self.often(0.9) else b')R')
        self.remember()
        self.write(b'}(')
        for name in ('max_length', '_log_history', '_count_history', 'statistics_methods')[
            : self.rng.choice([3, 4, 4, 4])
        ]:
            self.value(self.forged(name, 0.02) if self.often(0.0) else name)
            if name == 'max_length':
                self.value(self.rng.choice([1000000, 1000000, 1, -1, 2**62]))
            elif name == 'statistics_methods':
                self.write(b'}(')
                self.value(self.rng.choice(['min', 'mean', 'x']))
                if self.often(0.7):
                    self.call(
                        '__builtin__.getattr',
                        lambda: self.name(NAMES[25]),
                        self.rng.choice(['min', 'mean', '__init__', '__class__']),
                    )
                else:
                    self.expression(3)
                self.write(b'u')
            else:
                self.array() if self.often(0.8) else self.expression(3)
        self.write(b'ub' if self.often(0.95) else b'ubb')

    def tensor(self) -> None:
        def storage() -> None:
            self.write(b'(')
            for part in (
                'storage',
                lambda: self.name('torch.FloatStorage'),
                '0',
                'cpu',
                self.rng.choice([4, 4, 4, 8, 2**40]),
            ):
                part = self.forged(part, 0.04)
                part() if callable(part) else self.value(part)
            self.write(b'tQ')

        shape, strides = self.rng.choice([((4,), (1,)), ((2, 2), (2, 1)), ((2**40,), (1,)), ((4,), (2**40,)), ((), ())])
        offset = self.rng.choice([0, 0, 0, 3, -1, 2**62])
        parts = [storage, offset, shape, strides, False, lambda: self.call('collections.OrderedDict')]
        self.call('torch._utils._rebuild_tensor_v2', *[self.forged(part, 0.04) for part in parts])

    def deep(self) -> None:
        """Tuples in tuples, as a key or in an array."""
        count = self.rng.choice([5, 150, 3000])
        self.write(b'}' if self.often(0.5) else b'', b')', b'\x85' * count)
        if self.often(0.5):
            self.write(b'K\x01s')

    def expression(self, depth: int = 0) -> None:
        """Any value."""
        if depth > 4:
            self.value(self.rng.choice([None, 1, 'x', 2.5]))
            return
        kinds = [
            (self.array, 6),
            (self.dtype, 1),
            (self.history, 3),
            (self.tensor, 2),
            (self.deep, 0.3),
            (lambda: self.items(depth), 3),
            (lambda: self.value(self.rng.choice([None, True, 1, 2**70, -5, 2.5, 'text', b'bytes', ()])), 3),
            (lambda: self.any_call(depth), 3),
            (lambda: self.write(b'j', struct.pack('<I', self.rng.randrange(self.memo + 1))), 1),
            (lambda: self.write(bytes([self.rng.randrange(256)]) * self.rng.randrange(1, 4)), 0.3),
            (lambda: self.name(self.rng.choice(NAMES)), 0.3),
        ]
        draw, weights = zip(*kinds, strict=True)
        self.rng.choices(draw, weights)[0]()

    def items(self, depth: int) -> None:
        """A list or dictionary."""
        count = self.rng.randrange(4)
        if self.often(0.5):
            self.write(b']'), self.remember(), self.write(b'(')
            [self.expression(depth + 1) for _ in range(count)]
            self.write(b'e')
            return
        self.write(b'}'), self.remember(), self.write(b'(')
        for number in range(count):
            self.value(f'key {number}') if self.often(0.9) else self.expression(depth + 1)
            self.expression(depth + 1)
        self.write(b'u')

    def any_call(self, depth: int) -> None:
        """A call of any name with any arguments, and maybe a state."""
        name = self.rng.choice(NAMES) if self.often(0.9) else self.rng.choice(FORBIDDEN)
        arguments = [self.forged(lambda: self.expression(depth + 1), 0.5) for _ in range(self.rng.randrange(4))]
        self.call(name, *arguments)
        if self.often(0.3):
            self.build(*[self.forged(lambda: self.expression(depth + 1), 0.5) for _ in range(self.rng.randrange(6))])


def forged_pickle(seed: int, old: bool) -> bytes:
    """Write a forged pickle.

    Args:
        seed: Draws it.
        old: Whether only opcodes of protocol 2 are used.
    """
    rng = random.Random(seed)
    writer = Writer(rng, old)
    if rng.random() < 0.05:
        writer.write(b'\x95', struct.pack('<Q', rng.choice([1, 100, 2**40])))
    rng.choices([writer.expression, writer.array, writer.history, lambda: writer.items(0)], [3, 3, 1, 2])[0]()
    writer.write(b'.')
    data = writer.out
    if rng.random() < 0.15:
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(data))
            data[place : place + rng.randrange(2)] = rng.choice(
                [b'', bytes([rng.randrange(256)]), bytes([data[place] ^ 1])]
            )
    return bytes(data)


def as_checkpoint(data: bytes) -> io.BytesIO:
    """The file that ``torch.save`` would write around a pickle, with one tensor of four floats."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w') as archive:
        parts = {'data.pkl': data, 'byteorder': b'little', 'data/0': bytes(16), 'version': b'3\n'}
        for name, content in parts.items():
            archive.writestr(f'archive/{name}', content)
    file.seek(0)
    return file


def touch(content: object) -> None:
    """Read all memory that a value has."""
    import numpy as np
    import torch

    found, waiting = {id(content): content}, [content]
    while waiting:
        value = waiting.pop()
        parts: list = []
        if isinstance(value, np.ndarray):
            repr(value), value.copy(), value.tolist(), pickle.dumps(value)
            if value.dtype.kind in 'biufc':
                value.sum(), np.sort(value, axis=None), np.arange(value.size)[value.ravel() != 0]
            parts = list(value.flat) if value.dtype.hasobject else []
        elif isinstance(value, torch.Tensor):
            repr(value), value.clone(), value.sum()
        elif isinstance(value, (list, tuple, set, frozenset)):
            parts = list(value)
        elif isinstance(value, dict):
            parts = [*value, *value.values()]
        elif hasattr(value, '_log_history'):
            parts = [*value.data, value.statistics('mean'), value.update(1.0)]
        else:
            repr(value), hash(type(value))
        new = {id(part): part for part in parts if id(part) not in found}
        found |= new  # which keeps them alive, and so their ids
        waiting += new.values()


def main(count: int, seed: int, kinds: list[str]) -> None:
    """Read forged pickles by each kind of reader, and print for each what became of them."""
    import tempfile
    import warnings

    import numpy as np
    import torch._weights_only_unpickler as by_torch

    import strl_mmdet3d  # noqa: F401
    from strl_mmdet3d.safe_loading import load_safely
    from strl_mmdet3d.safe_loading.checkpoints import load_from_local
    from strl_mmdet3d.safe_loading.pickles import PlainUnpickler, UnsafePickleError

    faulthandler.enable()
    warnings.simplefilter('ignore')
    np.seterr(all='ignore')
    load_safely()

    def read_file(data: bytes) -> object:
        with tempfile.NamedTemporaryFile(suffix='.pth') as file:
            file.write(as_checkpoint(data).getbuffer())
            file.flush()
            return load_from_local(file.name, 'cpu')

    readers = {
        'info': lambda data: PlainUnpickler(io.BytesIO(data)).load(),
        'checkpoint': lambda data: by_torch.load(io.BytesIO(data)),
        'file': read_file,
    }
    for kind in kinds:
        counts: Counter[str] = Counter()
        for number in range(seed, seed + count):
            data = forged_pickle(number, old=kind != 'info')
            try:
                content = readers[kind](data)
            except UnsafePickleError:
                counts['refused'] += 1
            except Exception as error:  # torch's own errors, of many kinds
                counts[type(error).__name__] += 1
            else:
                counts['read'] += 1
                touch(content)
        print(json.dumps(counts), flush=True)


if __name__ == '__main__':
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
