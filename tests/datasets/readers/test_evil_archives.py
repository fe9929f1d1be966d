"""Archives that claim, hide or link what they do not hold: refused by name, without another file being opened."""

from __future__ import annotations

import io
import os
import zipfile

import h5py
import numpy as np
import pytest

from strl_mmdet3d.datasets.readers import decoded_size
from strl_mmdet3d.datasets.readers.frame_file import CorruptFrameError
from strl_mmdet3d.datasets.readers.shape_hdf5 import read_hdf5, read_hdf5_arrays
from strl_mmdet3d.datasets.readers.shape_npz import find_shapes, read_npz

SHAPES = np.arange(90, dtype=np.float32).reshape(2, 15, 3)


class TestHdf5:
    def refuse(self, tmp_path, fill, said, name='data'):
        path = tmp_path / 'a.h5'
        with h5py.File(path, 'w') as file:
            fill(file)
        with pytest.raises(CorruptFrameError, match=rf'a\.h5.*{said}.*Restore the file'):
            read_hdf5(str(path)) if name == 'data' else read_hdf5_arrays(str(path), name)

    @pytest.fixture
    def outside(self, tmp_path):
        """Another data set; as a pipe, opening it would wait for ever."""
        os.mkfifo(tmp_path / 'outside.h5')
        return str(tmp_path / 'outside.h5')

    def test_no_link_is_followed(self, tmp_path, outside):
        def soft_to_external(file):
            file['inner'] = h5py.ExternalLink(outside, '/data')
            file['data'] = h5py.SoftLink('/inner')

        def soft_through_a_group(file):
            file['group'] = h5py.ExternalLink(outside, '/')
            file['data'] = h5py.SoftLink('/group/data')

        def external(file):
            file['data'] = h5py.ExternalLink(outside, '/data')

        def soft_within(file):
            file['other'] = SHAPES
            file['data'] = h5py.SoftLink('/other')

        def to_itself(file):
            file['data'] = h5py.SoftLink('/data')

        for fill in (soft_to_external, soft_through_a_group, external, soft_within, to_itself):
            self.refuse(tmp_path, fill, 'is a link, which may lead to another file')

    def test_no_other_file_is_opened(self, tmp_path, outside):
        def virtual(file):
            layout = h5py.VirtualLayout((2, 15, 3), 'f4')
            layout[:] = h5py.VirtualSource(outside, 'data', (2, 15, 3))
            file.create_virtual_dataset('data', layout)

        def endless(file):
            layout = h5py.VirtualLayout((2, 15, 3), 'f4', maxshape=(None, 15, 3))
            source = h5py.VirtualSource(outside, 'data', (2, 15, 3), maxshape=(None, 15, 3))
            layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
            file.create_virtual_dataset('data', layout)

        def storage(file):
            file.create_dataset('data', (2, 15, 3), 'f4', external=[(outside, 0, 360)])

        for fill in (virtual, endless, storage):
            self.refuse(tmp_path, fill, 'kept in another file')

    @pytest.mark.parametrize(
        ('value', 'said'),
        [
            ('text', 'not numbers'),
            (b'bytes', 'not numbers'),
            (h5py.Empty('f4'), 'not numbers'),
            (h5py.Empty('S3'), 'not numbers'),
            (np.array([True]), 'not numbers'),
            (np.zeros(3, [('x', 'f4')]), 'not numbers'),
            (np.zeros(3, 'V5'), 'not numbers'),
            (np.zeros(3, 'c8'), 'not numbers'),
            (1.5, r'float64 \(\)'),
            (np.zeros((2, 15, 3), 'i4'), 'int32'),
        ],
    )
    def test_other_values_are_named(self, tmp_path, value, said):
        self.refuse(tmp_path, lambda file: file.create_dataset('data', data=value), said)

    def test_other_types_and_objects_are_named(self, tmp_path):
        def references(file):
            file.create_dataset('data', (2,), h5py.ref_dtype)[0] = file.create_group('g').ref

        self.refuse(tmp_path, references, 'not numbers')
        lists = h5py.vlen_dtype(np.float32)
        self.refuse(tmp_path, lambda file: file.create_dataset('data', (2,), lists), 'not numbers')
        self.refuse(tmp_path, lambda file: file.create_group('data'), "'data' is a group")
        self.refuse(tmp_path, lambda file: file.__setitem__('data', np.dtype('f4')), "'data' is a datatype")
        self.refuse(tmp_path, lambda file: file.create_dataset('label', data='text'), 'not numbers', 'label')

    def test_an_array_that_was_never_written_is_not_made(self, tmp_path):
        def of(*shape, chunks):
            return lambda file: file.create_dataset('data', shape, 'f4', chunks=chunks, maxshape=(None, None, 3))

        self.refuse(tmp_path, of(10**9, 2048, 3, chunks=(1, 2048, 3)), 'above the limit of 4 GiB; split it')
        self.refuse(tmp_path, of(10**5, 2048, 3, chunks=(1, 2048, 3)), r'2344 MiB stored in only \d+ bytes')
        self.refuse(tmp_path, of(2, 15, 3, chunks=(10**4, 2048, 3)), r'234 MiB stored in only \d+ bytes')

    def test_a_filter_that_would_be_loaded_as_a_library_is_refused(self, tmp_path):
        def unknown(file):
            settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            settings.set_chunk((2, 15, 3))
            settings.set_filter(31999, h5py.h5z.FLAG_OPTIONAL)
            space = h5py.h5s.create_simple((2, 15, 3))
            h5py.h5d.create(file.id, b'data', h5py.h5t.IEEE_F32LE, space, settings)

        self.refuse(tmp_path, unknown, r'needs the filters \[31999\]')

    @pytest.mark.parametrize('options', [dict(), dict(compression='gzip', shuffle=True), dict(compression='lzf')])
    def test_what_h5py_writes_is_read(self, tmp_path, options):
        with h5py.File(tmp_path / 'a.h5', 'w') as file:
            file.create_dataset('data', data=SHAPES, **options)
        np.testing.assert_array_equal(read_hdf5(str(tmp_path / 'a.h5')), SHAPES)


class TestNpz:
    def write(self, tmp_path, *members, method=zipfile.ZIP_STORED):
        path = tmp_path / 'a.npz'
        with zipfile.ZipFile(path, 'w', method) as file:
            for name, content in members:
                file.writestr(name, content)
        return str(path)

    def member(self, array=SHAPES, header=None, name='points.npy'):
        buffer = io.BytesIO()
        if header is None:
            np.save(buffer, array)
        else:
            buffer.write(b'\x93NUMPY\x01\x00' + len(header).to_bytes(2, 'little') + header)
        return name, buffer.getvalue()

    def states(self, shape, descr="'<f4'"):
        return self.member(header=f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".encode())

    @pytest.mark.parametrize(
        ('shape', 'said'),
        [
            ((10**9, 2048, 3), 'above the limit of 4 GiB'),
            ((10**5, 2048, 3), 'stored in only'),
            ((-2, -15, 3), 'its header states an array of float32'),
            ((True, 15, 3), 'its header states an array of float32'),
        ],
    )
    def test_a_size_that_cannot_be_true_is_refused(self, tmp_path, shape, said):
        path = self.write(tmp_path, self.states(shape))
        with pytest.raises(CorruptFrameError, match=rf'a\.npz cannot be read.*{said}'):
            read_npz(path)

    def test_a_bomb_is_refused_before_it_is_decoded(self, tmp_path, monkeypatch):
        path = self.write(tmp_path, self.member(np.zeros((3000, 2048, 3), np.float32)), method=zipfile.ZIP_DEFLATED)
        monkeypatch.setattr(np.lib.format, 'read_array', lambda *_, **__: pytest.fail('it was decoded'))
        with pytest.raises(CorruptFrameError, match=r'70 MiB stored in only \d+ bytes'):
            read_npz(path)

    def test_what_numpy_does_not_write_is_refused(self, tmp_path):
        for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            with pytest.raises(CorruptFrameError, match='is compressed by method'):
                find_shapes(self.write(tmp_path, self.member(), method=method))
        with pytest.warns(UserWarning, match='Duplicate'):
            path = self.write(tmp_path, self.member(), self.member(SHAPES + 1))
        with pytest.raises(CorruptFrameError, match='two arrays have the name'):
            find_shapes(path)
        with pytest.raises(CorruptFrameError, match='two arrays have the name'):
            find_shapes(self.write(tmp_path, self.member(), self.member(name='points')))
        name, content = self.member()
        with pytest.raises(CorruptFrameError, match='has more bytes than its shape'):
            read_npz(self.write(tmp_path, (name, content + b'more')))

    @pytest.mark.parametrize('word', ["'O'", "'S0'", "[('x','<f4')]", "'(3,)f4'", "'nonsense'"])
    def test_other_types_are_no_shapes(self, tmp_path, word):
        with pytest.raises(CorruptFrameError, match=r'a\.npz (holds no arrays|cannot be read)'):
            read_npz(self.write(tmp_path, self.states((2, 15, 3), word)))

    @pytest.mark.parametrize('sign', [b'-', b'(', b'[', b'{1:', b'~', b'not '])
    def test_a_header_of_many_levels_is_refused(self, tmp_path, sign):
        header = (sign * 9900)[:9900] + b'1'
        with pytest.raises(CorruptFrameError, match=r'a\.npz cannot be read'):
            read_npz(self.write(tmp_path, self.member(header=header)))


def test_limits_leave_room_for_the_published_data():
    for itemsize in (4, 8):
        decoded_size.check_decoded_size((57448, 2048, 3), itemsize, 57448 * 2048 * 3)
    with pytest.raises(ValueError, match='split it into several archives'):
        decoded_size.check_decoded_size((57448, 4096, 3), 8, 10**12)
