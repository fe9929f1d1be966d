"""Files and folders are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from strl_mmdet3d.atomic_write import _machine, remove_dead_parts, write_text_whole, written_whole


def test_a_text_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / 'name'
    for text in ('old', 'newer'):
        write_text_whole(path, text)
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_created(tmp_path):
    write_text_whole(tmp_path / 'a' / 'b' / 'name', 'text')
    assert (tmp_path / 'a' / 'b' / 'name').read_text() == 'text'


def test_a_failing_writer_leaves_the_old_content_and_no_part(tmp_path):
    path = tmp_path / 'name'
    path.write_text('old')
    with pytest.raises(RuntimeError, match='halfway'), written_whole(path) as part:  # noqa: PT012
        part.write_text('half')
        assert path.read_text() == 'old'
        raise RuntimeError('halfway')
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_its_name_when_it_is_full(tmp_path):
    path = tmp_path / 'data'
    path.mkdir()
    with written_whole(path) as part:
        (part / 'inner').mkdir(parents=True)
        (part / 'inner' / 'file').write_text('text')
        assert not any(path.iterdir())
    assert (path / 'inner' / 'file').read_text() == 'text'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_with_something_in_it_is_not_replaced(tmp_path):
    path = tmp_path / 'data'
    path.mkdir()
    (path / 'mine').write_text('text')
    with pytest.raises(OSError, match='data'), written_whole(path) as part:
        part.mkdir()
    assert (path / 'mine').read_text() == 'text'
    assert list(tmp_path.iterdir()) == [path]


def test_everything_is_flushed_before_the_rename(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda descriptor: (steps.append('flush'), fsync(descriptor))[1])
    monkeypatch.setattr(os, 'replace', lambda *names, **options: (steps.append('rename'), replace(*names))[1])
    write_text_whole(tmp_path / 'name', 'text')
    assert steps == ['flush', 'rename', 'flush']


def test_a_kill_leaves_the_old_content_and_its_part_is_found(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    path.write_text('old')
    program = (
        'import sys, time; from pathlib import Path; from strl_mmdet3d.atomic_write import written_whole\n'
        'with written_whole(sys.argv[1]) as part: part.write_text("half"); print("now", flush=True); time.sleep(60)'
    )
    with subprocess.Popen([sys.executable, '-c', program, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == 'now\n'
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == 'old'
    assert len(list(tmp_path.iterdir())) == 2
    remove_dead_parts(tmp_path / 'epoch_*.pth')
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_parts_of_dead_processes_are_removed(tmp_path):
    dead, alive, here = 2**22 - 7, os.getppid(), _machine()  # no Linux counts its processes so far by default
    elsewhere = '0' * 8 if here != '0' * 8 else '1' * 8
    kept = [f'.rooms.{here}-{alive}-ab12.part', f'.rooms.v2.{here}-{dead}-ab12.part', '.rooms.mine.part']
    kept += [f'rooms.{here}-{dead}-ab12.part', f'.rooms.{elsewhere}-{dead}-ab12.part', f'.rooms.{here}-{dead}.part']
    for name in [f'.rooms.{here}-{dead}-ab12.part', *kept]:
        (tmp_path / name).mkdir()
    with written_whole(tmp_path / 'rooms') as part:
        part.mkdir()
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(['rooms', *kept])


def test_two_writers_of_one_file_do_not_share_a_part(tmp_path):
    path = tmp_path / 'name'
    with written_whole(path) as one, written_whole(path) as other:
        assert one != other
        one.write_text('one')
        other.write_text('other')
    assert path.read_text() == 'one'  # the last rename
    assert list(tmp_path.iterdir()) == [path]
