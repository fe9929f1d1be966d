"""Checkpoints: what mmengine writes is read as it was, all else is refused by the name of the file."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from collections import Counter, OrderedDict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import mmengine
import numpy as np
import pytest
import torch
from forged_pickles import as_checkpoint
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_from_http

from strl_mmdet3d.safe_loading import UnsafePickleError, check_checkpoint, load_checked, load_safely
from strl_mmdet3d.safe_loading.history import history_of, statistic_of
from strl_mmdet3d.safe_loading.torch_stand_ins import StoredNDArray


def a_checkpoint():
    """All kinds of values that occur in the checkpoints of a Runner."""
    weights = OrderedDict(weight=torch.arange(6.0).reshape(2, 3), count=torch.tensor(3), half=torch.ones(2).half())
    weights._metadata = OrderedDict({'': dict(version=1), 'bn': dict(version=2)})  # type: ignore[attr-defined]
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    history.update(4.0)
    return dict(
        meta=dict(epoch=1, iter=2, dataset_meta=dict(classes=('Car',), palette=np.array([[1, 2, 3]])), seed=None),
        # As mmdet3d's own train.py writes it for segmentation.
        labels=dict(label2cat=ConfigDict({0: 'wall', 255: ConfigDict(a=[1])})),
        state_dict=weights,
        message_hub=dict(
            log_scalars=OrderedDict({'train/loss': history, 'train/empty': HistoryBuffer()}),
            runtime_info=OrderedDict(iter=2, best=np.float32(0.5), lr=np.array([0.1]), size=torch.Size([1, 2])),
            resumed_keys=OrderedDict({'train/loss': True}),
        ),
        optimizer=dict(
            state={0: dict(step=torch.tensor(1.0), exp_avg=torch.zeros(2, 3), bias=torch.nn.Parameter(torch.ones(1)))},
            param_groups=[dict(lr=0.1, betas=(0.9, 0.999), params=[0], fused=None)],
        ),
        param_schedulers=[dict(milestones=Counter({2: 1}), last_step=2, device=torch.device('cpu'), dtype=torch.half)],
    )


@pytest.mark.parametrize('zipped', [True, False])
def test_what_mmengine_writes_is_read_as_it_was(tmp_path, zipped):
    path = tmp_path / 'epoch_1.pth'
    written = a_checkpoint()
    torch.save(written, path, _use_new_zipfile_serialization=zipped)
    for read in (load_checked(path), CheckpointLoader.load_checkpoint(str(path), 'cpu')):
        torch.testing.assert_close(dict(read['state_dict']), dict(written['state_dict']))
        assert read['state_dict']._metadata == written['state_dict']._metadata
        torch.testing.assert_close(read['optimizer'], written['optimizer'])
        assert read['param_schedulers'] == written['param_schedulers']
        np.testing.assert_equal(read['meta'], written['meta'])
        assert read['labels'] == dict(label2cat={0: 'wall', 255: dict(a=[1])})
        assert type(read['labels']['label2cat']) is type(read['labels']['label2cat'][255]) is dict
        np.testing.assert_equal(read['message_hub']['runtime_info'], written['message_hub']['runtime_info'])
        history = read['message_hub']['log_scalars']['train/loss']
        assert type(history) is HistoryBuffer
        assert type(history.data[0]) is np.ndarray
        assert history.data[0].tolist() == [1.0, 2.0, 4.0]
        history.update(9.0)
        assert history.statistics('mean') == 4.0


def test_arrays_of_a_checkpoint_are_saved_as_plain_arrays(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.save(a_checkpoint(), path)
    torch.save(load_checked(path), path)
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith('data.pkl')]
        assert b'strl_mmdet3d' not in archive.read(name)
    assert load_checked(path)['meta']['dataset_meta']['palette'].tolist() == [[1, 2, 3]]


def test_a_stored_array_takes_one_state():
    state = (1, (2,), np.dtype('f8'), False, bytes(16))
    array = StoredNDArray()
    array.__setstate__(state)
    assert array.tolist() == [0.0, 0.0]
    with pytest.raises(UnsafePickleError, match='a second state'):
        array.__setstate__(state)
    for view in (array[:1], array + 1, array.copy()):
        with pytest.raises(UnsafePickleError, match='a second state'):
            view.__setstate__(state)
    with pytest.raises(UnsafePickleError, match='of objects in a checkpoint'):
        StoredNDArray().__setstate__((1, (1,), np.dtype('O'), False, [None]))
    with pytest.raises(UnsafePickleError, match='made of arguments'):
        StoredNDArray((1,), 'O', b'A' * 8)


GOOD = dict(max_length=10, _log_history=np.array([1.0]), _count_history=np.array([1]))


@pytest.mark.parametrize(
    'change',
    [
        dict(max_length=0),
        dict(max_length=2**62),
        dict(max_length=None),
        dict(_log_history=[1.0]),
        dict(_log_history=np.array([1.0, 2.0])),
        dict(_log_history=np.ones((1, 1))),
        dict(_log_history=np.array(['a'])),
        dict(update=print),
    ],
)
def test_forged_histories_are_refused(change):
    assert history_of(dict(GOOD)).data[0].tolist() == [1.0]
    with pytest.raises(UnsafePickleError, match='HistoryBuffer'):
        history_of(GOOD | change)


def test_a_checkpoint_does_not_replace_the_statistics():
    before = dict(HistoryBuffer()._statistics_methods)
    history = history_of(GOOD | dict(statistics_methods=dict(mean=print, evil=print)))
    assert history.statistics('mean') == 1.0
    assert HistoryBuffer()._statistics_methods == before


@pytest.mark.parametrize('name', ['__init__', '__class__', 'update', 'x', 3, None])
def test_no_other_attribute_is_reached(name):
    assert statistic_of(HistoryBuffer, 'mean') is HistoryBuffer.mean
    with pytest.raises(UnsafePickleError, match='a reference to'):
        statistic_of(HistoryBuffer, name)


def altered(change, **saved) -> io.BytesIO:
    """A checkpoint whose pickle is changed."""
    buffer, out = io.BytesIO(), io.BytesIO()
    torch.save(saved or dict(a=torch.ones(1000)), buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(out, 'w') as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info.filename, change(data) if info.filename.endswith('data.pkl') else data)
    out.seek(0)
    return out


@pytest.mark.parametrize(
    ('forged', 'reason'),
    [
        (altered(lambda data: data.replace(b'M\xe8\x03', b'M\xe9\x03')), '4000 bytes for a tensor of 4004'),
        (altered(lambda data: data, a=torch.ones(1).to_sparse()), r'_rebuild_sparse_tensor'),
        (altered(lambda data: b'\x80\x02}' + b')' + b'\x85' * 10**5 + b'K\x01s.'), 'a key that is not plain'),
        (altered(lambda data: b'\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.'), 'encoded text'),
        (altered(lambda data: b'\x80\x02ctorch\nTensor\n.'), r'asks for torch\.Tensor'),
        (altered(lambda data: b'\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n.'), 'asks for torch._tensor'),
        (altered(lambda data: b'\x80\x02]ctorch\nSize\na.'), 'a name in place of a value'),
        (
            altered(lambda data: b'\x80\x02ccollections\nOrderedDict\n)R}X\x05\x00\x00\x00itemsK\x01sb.'),
            'with attributes',
        ),
        (altered(lambda data: b'\x80\x02cmmengine.config.config\nConfigDict\n]\x85R.'), 'a forged ConfigDict'),
        (altered(lambda data: b'\x80\x02cmmengine.config.config\nConfigDict\n}}\x86R.'), 'a forged ConfigDict'),
        (altered(lambda data: b''), 'EOFError'),
        (altered(lambda data: data[:-5]), 'damaged'),
        (io.BytesIO(b''), 'damaged'),
        (io.BytesIO(b'PK\x03\x04' + bytes(100)), 'damaged'),
        (io.BytesIO(as_checkpoint(b'N.').getvalue()[:200]), 'damaged'),
    ],
)
def test_forged_checkpoints_are_refused(tmp_path, forged, reason):
    with pytest.raises(UnsafePickleError, match=f'{reason}.*from a source that you trust'):
        check_checkpoint(forged)
    assert forged.tell() == 0
    path = tmp_path / 'forged.pth'
    path.write_bytes(forged.getvalue())
    with pytest.raises(UnsafePickleError, match=rf'forged\.pth cannot be read as a checkpoint: .*{reason}'):
        CheckpointLoader.load_checkpoint(str(path), 'cpu')


def test_a_program_of_torchscript_is_refused(tmp_path):
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(tmp_path / 'program.pth'))
    with pytest.raises(UnsafePickleError, match=r'program\.pth .* a TorchScript program'):
        load_checked(tmp_path / 'program.pth')


def test_all_of_mmengines_addresses_are_guarded():
    """Readers that this version of mmengine has, and ours does not know, would run a checkpoint's config."""
    prefixes = CheckpointLoader._schemes
    for prefix, load in prefixes.items():
        assert load.__module__.startswith('strl_mmdet3d') or hasattr(load, '__wrapped__'), prefix
    assert prefixes['https://'].__wrapped__ is load_from_http
    assert prefixes['https://'].__name__ == 'load_from_http'  # mmengine logs it


class Program:
    """Runs a command as it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.fixture
def address(tmp_path, monkeypatch):
    """A folder behind an http address."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
    monkeypatch.setenv('MMENGINE_HOME', str(tmp_path / 'mmengine'))
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    (tmp_path / 'served').mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / 'served'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


def test_what_is_behind_an_address_is_looked_at_before_it_is_unpickled(tmp_path, address):
    load_safely()
    torch.save(a_checkpoint(), tmp_path / 'served' / 'fine.pth')
    torch.save(dict(state_dict={}, x=Program(f'touch {tmp_path}/ran')), tmp_path / 'served' / 'evil.pth')
    usual = torch.load
    content = CheckpointLoader.load_checkpoint(f'{address}/fine.pth', 'cpu')
    assert torch.equal(content['state_dict']['weight'], a_checkpoint()['state_dict']['weight'])
    for _ in range(2):  # fetched, and as it was fetched before
        with pytest.raises(UnsafePickleError, match='cannot be read as a checkpoint'):
            CheckpointLoader.load_checkpoint(f'{address}/evil.pth', 'cpu')
    assert not (tmp_path / 'ran').exists()
    assert torch.load is usual


def test_bytes_of_a_cloud_are_looked_at_before_they_are_unpickled(tmp_path, monkeypatch):
    class Cloud:
        """Stands for petrel's client."""

        def get(self, name):
            return (tmp_path / name.rpartition('/')[2]).read_bytes()

    load_safely()
    monkeypatch.setattr('mmengine.runner.checkpoint.get_file_backend', lambda *args, **kwargs: Cloud())
    torch.save(a_checkpoint(), tmp_path / 'fine.pth')
    torch.save(dict(x=Program(f'touch {tmp_path}/ran')), tmp_path / 'evil.pth')
    assert 'state_dict' in CheckpointLoader.load_checkpoint('s3://bucket/fine.pth', 'cpu')
    with pytest.raises(UnsafePickleError, match='what was fetched cannot be read as a checkpoint'):
        CheckpointLoader.load_checkpoint('s3://bucket/evil.pth', 'cpu')
    assert not (tmp_path / 'ran').exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.pth can not be found'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'none.pth'), 'cpu')


def test_a_released_checkpoint_may_name_records(tmp_path):
    """As Lightning writes them; of these only the content matters."""
    import argparse

    path = tmp_path / 'lightning.ckpt'
    torch.save(dict(hparams=argparse.Namespace(lr=0.1), state_dict={}), path)
    with pytest.raises(UnsafePickleError, match=r'argparse\.Namespace'):
        load_checked(path)
    assert load_checked(path, allowed=[argparse.Namespace])['hparams'].lr == 0.1


def test_mmengine_is_the_version_that_was_looked_through():
    """docs/security.md lists where its sources run text: look through a new version."""
    assert mmengine.__version__.startswith('0.10.')


def test_what_was_allowed_before_is_allowed_after(tmp_path):
    """torch's own context takes it away."""
    torch.save(dict(meta={}, hub=HistoryBuffer([1.0], [1])), tmp_path / 'a.pth')
    load_safely()
    for _ in range(2):
        load_checked(tmp_path / 'a.pth')
        assert torch.load(tmp_path / 'a.pth', weights_only=True)['hub'].current() == 1
