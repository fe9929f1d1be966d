"""The list of a folder's files, and what it says when some are lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strl_mmdet3d.file_list import further_files, is_file_list, list_files, what_is_lost


@pytest.fixture
def folder(tmp_path):
    for name, text in (('a.txt', 'a'), ('sub/b.txt', 'bb'), ('sub/deep/c.txt', ''), ('ü \n.txt', 'ü')):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding='utf-8')
    (tmp_path / 'empty').mkdir()
    return tmp_path


def test_all_files_are_listed_with_their_sizes(folder):
    files = list_files(folder)
    assert files == {'a.txt': 1, 'sub/b.txt': 2, 'sub/deep/c.txt': 0, 'ü \n.txt': 2}
    assert is_file_list(files)
    assert what_is_lost(folder, files) == ''
    assert further_files(folder, files) == []


def test_what_is_lost_is_counted_and_the_first_is_named(folder):
    files = list_files(folder)
    (folder / 'sub' / 'b.txt').write_text('b')
    (folder / 'sub' / 'deep' / 'c.txt').unlink()
    said = what_is_lost(folder, files)
    assert said == '2 of 4 files are missing or have another size; the first: sub/b.txt has 1 bytes instead of 2'
    (folder / 'new.txt').write_text('')
    assert further_files(folder, files) == ['new.txt']


@pytest.mark.parametrize('value', [None, [], 'a', {1: 1}, {'a': 1.0}, {'a': None}, {'/a': 1}, {'../a': 1}, {'a/..': 1}])
def test_other_values_are_no_lists(value):
    assert not is_file_list(value)


@given(
    st.dictionaries(
        st.text('a./ ', max_size=6), st.none() | st.booleans() | st.integers(-1, 9) | st.floats(), max_size=3
    )
)
def test_a_list_maps_inner_paths_to_sizes(value):
    expected = all(
        type(size) is int and size >= 0 and not name.startswith('/') and '..' not in name.split('/')
        for name, size in value.items()
    )
    assert is_file_list(value) == expected
