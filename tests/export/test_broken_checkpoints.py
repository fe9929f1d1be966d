"""Broken and forged checkpoints, and exported encoders: each is refused in one sentence, or it gives what it should.

`STRL_BROKEN_CHECKPOINTS=500` damages the bytes of so many copies of each file, and prints what came of it.
"""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections import Counter, OrderedDict
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import Mock

import export_encoder as tool
import numpy as np
import pytest
import torch
from mmdet3d.registry import HOOKS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from tiny import tiny_detector, tiny_strl
from torch import nn

from strl_mmdet3d.export import RECORD_KEY, ExportError, export_encoder, save_exported, trunk_record

DAMAGES = int(os.environ.get('STRL_BROKEN_CHECKPOINTS', 25))
NAME = 'backbone.blocks.0.0.weight'


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A checkpoint, its exported encoder, and the downstream config, by name -> path; and what the export holds."""
    root = tmp_path_factory.mktemp('whole')
    init_default_scope('mmdet3d')
    torch.manual_seed(0)
    config = Config(dict(model=tiny_strl()))
    model = MODELS.build(config.model)
    meta = dict(epoch=3, iter=12, seed=0, time='20260101_000000', cfg=config.pretty_text)
    meta[RECORD_KEY] = trunk_record(model, config)
    checkpoint = dict(meta=meta, state_dict=model.state_dict(), optimizer=dict(state={0: torch.zeros(3)}))
    torch.save(checkpoint, root / 'epoch_3.pth')
    exported = export_encoder(checkpoint, 'epoch_3.pth')
    save_exported(exported, root / 'encoder.pth')
    Config(dict(model=tiny_detector())).dump(root / 'downstream.py')
    return root, exported


def same(one, other):
    """Whether two exported encoders are the same, but for where they come from."""
    mine, theirs = one['state_dict'], other['state_dict']
    return (
        list(mine) == list(theirs)
        and all(torch.equal(mine[name], theirs[name]) for name in mine)
        and all(one['meta']['strl'][key] == other['meta']['strl'][key] for key in ('trunk', 'tensors', 'settings'))
    )


def use_checkpoint(path, root, out):
    tool.main([str(path), str(out)])
    return torch.load(out, weights_only=True)


def use_tool(path, root, out):
    tool.main([str(path), '--verify', str(root / 'downstream.py')])
    return torch.load(path, weights_only=True)


def use_hook(path, root, out):
    config = Config(dict(model=tiny_detector()))
    loops = dict(_train_loop=None, _val_loop=None, _test_loop=None)
    runner = SimpleNamespace(_resume=False, _load_from=str(path), cfg=config, logger=Mock(), **loops)
    runner.model = MODELS.build(config.model)
    hook = HOOKS.build(dict(type='VerifyLoadHook'))
    hook.before_run(runner)
    hook.after_load_checkpoint(runner, load_checkpoint(runner.model, str(path), logger='silent'))
    hook.before_train(runner)
    return torch.load(path, weights_only=True)


USES = {'epoch_3.pth': [use_checkpoint], 'encoder.pth': [use_tool, use_hook]}


def outcome(use, path, whole, out):
    """What comes of a damaged file: 'refused', 'the same' or 'different'. Anything but a sentence is an error here."""
    root, exported = whole
    try:
        result = use(path, root, out)
    except (SystemExit, ExportError) as refusal:
        said = str(refusal)
        assert path.name in said
        assert 'weights_only' not in said
        assert len(said) < 3000
        assert said.isascii()
        assert not out.exists()
        return 'refused'
    return 'the same' if same(result, exported) else 'different'


def copy_of(path, folder, content):
    copy = folder / path.name
    copy.write_bytes(content)
    return copy


# Bytes.


def flip_bits(data, rng):
    for place in rng.integers(len(data), size=rng.integers(1, 4)):
        data[place] ^= 1 << int(rng.integers(8))


def flip_bits_at_the_end(data, rng):
    data[-int(rng.integers(1, 3000))] ^= 1 << int(rng.integers(8))


def cut_short(data, rng):
    del data[int(rng.integers(len(data))) :]


def cut_out(data, rng):
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 2000))]


def blank_out(data, rng):
    start = int(rng.integers(len(data)))
    end = min(start + int(rng.integers(1, 2000)), len(data))
    data[start:end] = bytes(end - start)


def put_in(data, rng):
    start = int(rng.integers(len(data)))
    data[start:start] = rng.bytes(int(rng.integers(1, 200)))


def put_behind(data, rng):
    data += rng.bytes(int(rng.integers(1, 70_000)))


def put_before(data, rng):
    data[:0] = rng.bytes(int(rng.integers(1, 200)))


def second_archive(data, rng):
    other = io.BytesIO()
    torch.save(dict(meta={}, state_dict={}), other)
    data += other.getvalue()


BYTES = [
    flip_bits,
    flip_bits_at_the_end,
    cut_short,
    cut_out,
    blank_out,
    put_in,
    put_behind,
    put_before,
    second_archive,
]


@pytest.mark.parametrize('name', USES)
def test_damaged_bytes_never_give_another_encoder(name, whole, tmp_path, capsys):
    path = whole[0] / name
    counts: Counter = Counter()
    for seed in range(DAMAGES):
        damage = BYTES[seed % len(BYTES)]
        data = bytearray(path.read_bytes())
        damage(data, np.random.default_rng(seed))
        copy = copy_of(path, tmp_path, bytes(data))
        for use in USES[name]:
            out = tmp_path / 'out.pth'
            result = outcome(use, copy, whole, out)
            assert result != 'different', (damage.__name__, seed)
            assert result == 'refused' or damage in (flip_bits, flip_bits_at_the_end, blank_out), (damage, seed)
            counts[use.__name__, damage.__name__, result] += 1
            out.unlink(missing_ok=True)
    if 'STRL_BROKEN_CHECKPOINTS' in os.environ:
        with capsys.disabled():
            print()
            for key, count in sorted(counts.items()):
                print(*key, count)


# Content. Each takes the content and the name of one of the encoder's tensors, and changes the content.


class Call:
    """Pickled as a call of a function that torch allows."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def tensor(value):
    return lambda content, name: content['state_dict'].update({name: value})


def of_tensor(change):
    return lambda content, name: content['state_dict'].update({name: change(content['state_dict'][name])})


def of_state_dict(**attributes):
    return lambda content, name: vars(content['state_dict']).update(attributes)


def without_metadata(content, name):
    del content['state_dict']._metadata


def of_metadata(change):
    def apply(content, name):
        change(content['state_dict']._metadata, name.removesuffix('.weight'))

    return apply


def renamed(new):
    def apply(content, name):
        content['state_dict'][new] = content['state_dict'].pop(name)

    return apply


def set_meta(**meta):
    return lambda content, name: content.update(meta=content['meta'] | meta)


def of_content(**changes):
    return lambda content, name: content.update(changes)


def of_provenance(key, value):
    return lambda content, name: content['meta']['strl'].update({key: value})


def with_attribute(content, name):
    content['state_dict'][name].data_ptr = 'abc'


NESTED: list = []
for _ in range(3000):
    NESTED = [NESTED]
ENDLESS: list = []
ENDLESS.append(ENDLESS)
ODD_VALUES = {
    'a list': [1],
    'a word': 'abc',
    'None': None,
    'a tensor': torch.zeros(3),
    'bytes': b'abc',
    'a huge number': 10**400,
    'a set': {1, 2},
    'numbers for names': {1: 2},
    'deep brackets': NESTED,
    'itself': ENDLESS,
    'a complex number': 1j,
    'NaN': float('nan'),
}
DICTS = ('numbers for names',)
REFUSED = {
    **{f'a tensor that is {kind}': tensor(value) for kind, value in ODD_VALUES.items() if kind != 'a tensor'},
    'a quantized tensor': of_tensor(lambda t: torch.quantize_per_tensor(t.float(), 0.1, 0, torch.qint8)),
    'an expanded tensor': of_tensor(lambda t: t.flatten()[:1].clone().expand(t.numel()).view(t.shape)),
    'a huge expanded tensor': tensor(torch.zeros(1).expand(10**12)),
    'a huge empty call': tensor(Call(torch.Tensor, 3 * 10**10)),
    'a sparse tensor': of_tensor(lambda t: t.to_sparse()),
    'a compressed sparse tensor': of_tensor(lambda t: t.flatten(1).to_sparse_csr()),
    'a tensor without values': of_tensor(lambda t: t.to('meta')),
    'complex numbers': of_tensor(lambda t: t.to(torch.complex64)),
    'a nested tensor': tensor(torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])),
    'a tensor with attributes': with_attribute,
    'an empty tensor': of_tensor(lambda t: t[:0].clone()),
    'a number': of_tensor(lambda t: t.sum()),
    'another shape': of_tensor(lambda t: t[:1].clone()),
    'other axes': of_tensor(lambda t: t.flatten(1).clone()),
    'halves': of_tensor(lambda t: t.half()),
    'integers': of_tensor(lambda t: t.long()),
    'an eighth': of_tensor(lambda t: t.to(torch.float8_e4m3fn)),
    'NaN among the values': of_tensor(lambda t: t * float('nan')),
    'a tensor less': lambda content, name: content['state_dict'].pop(name),
    'a tensor less, in both encoders': lambda content, name: [
        content['state_dict'].pop(each) for each in list(content['state_dict']) if each.endswith(NAME)
    ],
    'no tensors': lambda content, name: content['state_dict'].clear(),
    'a name with a line break': renamed(f'online_encoder.detector.{NAME}\n'),
    'a name of half a surrogate pair': renamed('online_encoder.detector.\ud800'),
    'an empty name': renamed(''),
    'a number for a name': renamed(3),
    'a tuple for a name': renamed(('a', 'b')),
    'another name': renamed('online_encoder.detector.backbone.other'),
    'no state_dict': lambda content, name: content.pop('state_dict'),
    **{f'a state_dict that is {kind}': of_content(state_dict=value) for kind, value in ODD_VALUES.items()},
    **{f'meta that is {kind}': of_content(meta=value) for kind, value in ODD_VALUES.items() if kind not in DICTS},
    'no _metadata': without_metadata,
    **{f'_metadata that is {kind}': of_state_dict(_metadata=value) for kind, value in ODD_VALUES.items()},
    'an entry of _metadata that is None': of_metadata(lambda metadata, module: metadata.update({module: None})),
    'an entry of _metadata that is a word': of_metadata(lambda metadata, module: metadata.update({module: 'abc'})),
    'a version that is a word': of_metadata(lambda metadata, module: metadata.update({module: dict(version='2')})),
    'a number for a module': of_metadata(lambda metadata, module: metadata.update({3: {}})),
    'a state_dict with an attribute': of_state_dict(keys='abc'),
    'a Counter': lambda content, name: content.update(state_dict=Counter(content['state_dict'])),
}  # fmt: skip
HARMLESS = {
    'a parameter': of_tensor(nn.Parameter),
    'a view of a larger storage': of_tensor(lambda t: torch.cat([t, t])[: len(t)]),
    'a transposed storage': of_tensor(lambda t: t.transpose(0, 1).contiguous().transpose(0, 1)),
    'more than a state_dict': of_content(other=[1]),
    'a time that is a list': set_meta(time=[1]),
    'a config that is a tensor': set_meta(cfg=torch.zeros(2)),
}
OF_CHECKPOINTS = {
    **{
        f'{key} that is {kind}': set_meta(**{key: value})
        for key in ('epoch', 'iter', 'seed', RECORD_KEY)
        for kind, value in ODD_VALUES.items()
        if value is not None or key == RECORD_KEY
    },
    'a negative epoch': set_meta(epoch=-1),
    'the optimizer of another class': of_content(optimizer=Call(OrderedDict, 3)),
    'no record, and a tensor less': lambda content, name: (
        content['meta'].pop(RECORD_KEY),
        content['state_dict'].pop(name),
    ),
    'neither a record nor the target': lambda content, name: (
        content['meta'].pop(RECORD_KEY),
        [content['state_dict'].pop(each) for each in list(content['state_dict']) if each.startswith('target')],
    ),
    'a part that the record does not name': lambda content, name: content['meta'][RECORD_KEY]['trunk'].remove('neck'),
}
OF_EXPORTED = {
    **{
        f'{key} that is {kind}': of_provenance(key, value)
        for key in ('left_out', 'trunk', 'tensors', 'settings', 'sha256', 'config')
        for kind, value in ODD_VALUES.items()
    },
    **{
        f'a provenance that is {kind}': lambda content, name, value=value: content['meta'].update(strl=value)
        for kind, value in ODD_VALUES.items()
    },
    'left_out of numbers': lambda content, name: content['meta']['strl'].update(left_out=[1, 2]),
    'another value': of_tensor(lambda t: t + 1e-6),
    'a manifest that lacks the tensor too': lambda content, name: (
        content['state_dict'].pop(name),
        content['meta']['strl']['tensors'].pop(name),
    ),
}


@contextmanager
def recursion(limit):
    """Pickle deeper brackets than Python's limit allows."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    yield
    sys.setrecursionlimit(before)


CHANGES = {name: REFUSED | HARMLESS | own for name, own in zip(USES, (OF_CHECKPOINTS, OF_EXPORTED), strict=True)}


@pytest.mark.parametrize(('name', 'kind'), [(name, kind) for name in USES for kind in CHANGES[name]])
def test_odd_content_is_refused_or_harmless(name, kind, whole, tmp_path):
    path, prefix = whole[0] / name, 'online_encoder.detector.' if name == 'epoch_3.pth' else ''
    content = torch.load(path, weights_only=True)
    CHANGES[name][kind](content, prefix + NAME)
    copy = tmp_path / name
    with recursion(10_000):
        torch.save(content, copy)
    # The tiny detector loads without versions. Where one does not, the comparison with the model tells.
    harmless = kind in HARMLESS or (name == 'encoder.pth' and kind in ('no _metadata', '_metadata that is None'))
    for use in USES[name]:
        result = outcome(use, copy, whole, tmp_path / 'out.pth')
        assert result == ('the same' if harmless else 'refused')


def repacked(path, copy, **changes):
    """Write an archive's members again, with `changes` of how they are stored."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(copy, 'w', **changes) as other:
        for member in archive.namelist():
            other.writestr(member, archive.read(member))
        return other


@pytest.mark.parametrize('name', USES)
def test_odd_archives_are_refused(name, whole, tmp_path):
    path, copy = whole[0] / name, tmp_path / name
    content = torch.load(path, weights_only=True)

    def refused(said):
        for use in USES[name]:
            with pytest.raises((SystemExit, ExportError), match=said):
                use(copy, whole[0], tmp_path / 'out.pth')

    torch.save(content, copy, _use_new_zipfile_serialization=False)
    refused('is not a whole zip archive')
    repacked(path, copy, compression=zipfile.ZIP_DEFLATED)
    refused('compressed')
    repacked(path, copy)
    with zipfile.ZipFile(copy, 'a') as archive:
        archive.writestr(archive.namelist()[0].upper(), b'abc')
    refused('two members of one name')
    repacked(path, copy)
    with zipfile.ZipFile(copy, 'a') as archive:
        archive.writestr(f'{path.stem}/constants.pkl', b'abc')
    refused('TorchScript')
    repacked(path, copy)
    with zipfile.ZipFile(copy, 'a') as archive:
        archive.comment = b'abc'
    refused('is not a whole zip archive')
    copy.write_bytes(b'')
    refused('is not a whole zip archive')
