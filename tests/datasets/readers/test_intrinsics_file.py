"""Intrinsics in every form in which they are written, and what is not one of these."""

from __future__ import annotations

import json

import pytest

from strl_mmdet3d.datasets.readers.intrinsics_file import read_intrinsics
from strl_mmdet3d.datasets.sequence_index import SequenceIndexError

MATRIX = [[585.5, 0, 320.25], [0, 580, 240], [0, 0, 1]]
COLUMNS = [585.5, 0, 0, 0, 580, 0, 320.25, 240, 1]


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('a.txt', '585.5 0 320.25\n0 580 240\n0 0 1\n'),
        ('a.txt', '585.5 0 320.25 0 580 240 0 0 1'),
        ('a.txt', '585.5 0 320.25 0\r\n0 580 240 0\r\n0 0 1 0\r\n'),
        ('a.txt', '585.5 0 320.25 0\n0 580 240 0\n0 0 1 0\n0 0 0 1'),
        ('a.txt', '# fx fy cx cy\n585.5, 580, 320.25, 240'),
        ('a.txt', '\ufeff585.5 580 320.25 240'),
        ('a.pincam', '640 480 585.5 580 320.25 240'),
        ('a.json', json.dumps(dict(width=640, height=480, intrinsic_matrix=COLUMNS))),
        ('a.json', json.dumps(dict(intrinsic=dict(intrinsic_matrix=COLUMNS)))),
        ('a.json', json.dumps(dict(fx=585.5, fy=580, cx=320.25, cy=240))),
    ],
)
def test_every_form(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_intrinsics(tmp_path / name).tolist() == MATRIX


@pytest.mark.parametrize(
    ('name', 'text', 'said'),
    [
        ('a.txt', '', 'it has 0 numbers'),
        ('a.txt', '585 580 320 240 0.1', 'it has 5 numbers'),
        ('a.txt', '585 0 0\n0 580 0\n320 240 1', 'not the matrix of a camera'),
        ('a.txt', '585 0 320 7\n0 580 240 0\n0 0 1 0', 'its last column is not 0 0 0'),
        ('a.txt', '585 100 320 240', 'do not fit each other'),
        ('a.txt', 'fx fy', 'could not convert'),
        ('a.txt', 'nan 580 320 240', 'not the matrix of a camera'),
        ('a.json', '{"intrinsic_matrix": [1, 2]}', 'no intrinsic_matrix of nine numbers'),
        ('a.json', '[' * 100_000, 'recursion'),
        ('a.json', '{', 'Expecting'),
    ],
)
def test_what_is_not_intrinsics_is_named(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(SequenceIndexError, match=rf'(?s){name} holds no intrinsics.*{said}.*Extract the file again'):
        read_intrinsics(tmp_path / name)
