"""tools/select_labels.py from the command line."""

from __future__ import annotations

import pytest
import select_labels

from strl_mmdet3d.datasets.sequence_index import FrameSequence, read_sequence_index, write_sequence_index

CLASSES = ['bed', 'sofa', 'lamp']


@pytest.fixture
def index(tmp_path):
    path = tmp_path / 'train.json'
    labels = [0] * 40 + [1] * 20 + [2] * 3
    names = [f'shapes.npz/{row:06d}' for row in range(len(labels))]
    sequences = [FrameSequence(name, [name], label=label) for name, label in zip(names, labels, strict=True)]
    write_sequence_index(path, dict(source='shapes', classes=CLASSES), sequences)
    return path


def select(index, out, *options):
    select_labels.main([str(index), str(out), *options])
    return read_sequence_index(out)


def test_an_ordinary_index_that_says_where_it_is_from(index, tmp_path, capsys):
    metainfo, sequences = select(index, tmp_path / 'deep' / 'few.json', '--fraction', '0.1', '--seed', '7')
    assert [sequence.label for sequence in sequences] == [0] * 4 + [1] * 2 + [2]
    assert metainfo['selection'] == dict(fraction=0.1, seed=7, source='train.json')
    assert metainfo['classes'] == CLASSES
    assert metainfo['num_sequences'] == 7
    assert '7 of 63 samples of 3 classes written' in capsys.readouterr().out
    everything = {sequence.sequence_id: sequence for sequence in read_sequence_index(index)[1]}
    assert all(sequence == everything[sequence.sequence_id] for sequence in sequences)


def test_the_same_seed_writes_the_same_file(index, tmp_path):
    texts = []
    for name, seed in (('a', '0'), ('b', '0'), ('c', '1')):
        select(index, tmp_path / name, '--fraction', '0.2', '--seed', seed)
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_what_cannot_be_selected_from_is_told(index, tmp_path):
    out = tmp_path / 'out.json'
    with pytest.raises(SystemExit, match='above 0 and at most 1'):
        select(index, out, '--fraction', '1.5')
    with pytest.raises(SystemExit, match='name another file'):
        select(index, index, '--fraction', '0.5')
    with pytest.raises(SystemExit, match='no sequence index at'):
        select(tmp_path / 'none.json', out, '--fraction', '0.5')
    unlabelled = tmp_path / 'unlabelled.json'
    write_sequence_index(unlabelled, {}, [FrameSequence('a', ['a.npz/000000'])])
    with pytest.raises(SystemExit, match=r'1 of 1 sequences of .* have no label'):
        select(unlabelled, out, '--fraction', '0.5')
    assert not out.exists()
