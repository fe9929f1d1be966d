"""Files through links, links to nothing, and the sources that find them."""

from __future__ import annotations

import create_sequence_index
import numpy as np
import pytest

from strl_mmdet3d.datasets.sources.linked_files import files_below


@pytest.fixture
def elsewhere(tmp_path):
    """A mesh and an archive on another disk."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    (folder / 'a.off').write_text('OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n')
    np.savez(folder / 'a.npz', np.zeros((2, 8, 3), np.float32))
    return folder


def test_links_are_followed_once_and_dead_ones_are_listed(tmp_path, elsewhere):
    root = tmp_path / 'data'
    (root / 'sub').mkdir(parents=True)
    (root / 'linked').symlink_to(elsewhere)
    (root / 'sub/again').symlink_to(elsewhere)
    (root / 'sub/loop').symlink_to(root)
    (root / 'sub/dead.off').symlink_to('/no/such/disk/a.off')
    (root / 'sub/._b.off').write_text('')
    (root / 'sub/other.txt').symlink_to('/no/such/disk/other.txt')
    files, dead = files_below(root, lambda name: name.endswith('.off'))
    assert [file.name for file in files] == ['a.off']
    assert dead == [root / 'sub/dead.off']


@pytest.mark.parametrize('end', ['off', 'npz'])
def test_shapes_behind_dead_links_are_named(tmp_path, elsewhere, capsys, end):
    root = tmp_path / 'data'
    root.mkdir()
    (root / f'a.{end}').symlink_to(elsewhere / f'a.{end}')
    (root / f'b.{end}').symlink_to(f'/no/such/disk/b.{end}')
    create_sequence_index.main(['shapes', '--root', str(root), '--out', str(tmp_path / 'index.json')])
    said = capsys.readouterr().out
    assert f'left out, missing, behind a dead link: {root}/b.{end}' in said.replace('\n', '')
    assert '1 frames left out' in said
