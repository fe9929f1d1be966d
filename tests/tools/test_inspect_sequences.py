"""Looking at an index from the command line: the text, the page, and foreseen errors."""

from __future__ import annotations

import inspect_sequences as tool
import numpy as np
import pytest

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.evaluation import sequence_figures

CONFIG = """
pairs = dict(type='TemporalPairDataset', point_cloud_range=[-50, -50, -50, 50, 50, 50])
train_dataloader = dict(dataset=dict(type='ConcatDataset', datasets=[dict(type='RepeatDataset', dataset=pairs)]))
"""


@pytest.fixture
def index(tmp_path):
    names = [f'{n}.bin' for n in range(3)]
    for n, name in enumerate(names):
        rows = np.random.default_rng(n).normal(0, 5, (500, 4)).astype(np.float32)
        rows[:, 3] = 20 + np.abs(rows[:, 3])
        rows.tofile(tmp_path / name)
    sequence = FrameSequence('a $name$', names)
    write_sequence_index(tmp_path / 'index.json', dict(load_dim=4, columns=['x', 'y', 'z', 'intensity']), [sequence])
    return tmp_path / 'index.json'


def test_the_text_begins_with_what_to_look_at(index, capsys):
    tool.main([str(index), '--frames-per-sequence', '3'])
    text = capsys.readouterr().out
    assert text.splitlines()[0] in ('1 thing to look at', '2 things to look at')
    assert 'intensity goes up to' in text
    assert '3 LiDAR scans in 1 sequences' in text
    assert 'a $name$' in text
    assert 'points per frame: 500 to 500' in text


def test_a_relative_path_is_taken_from_the_current_folder(index, capsys, monkeypatch):
    monkeypatch.chdir(index.parents[1])
    tool.main([str(index.relative_to(index.parents[1]))])
    assert '3 LiDAR scans in 1 sequences' in capsys.readouterr().out


def test_a_page_is_written_and_the_range_is_the_configs(index, capsys, monkeypatch):
    monkeypatch.setattr(sequence_figures, 'MAX_DRAWN', 300)
    config = index.with_name('config.py')
    config.write_text(CONFIG)
    page = index.with_name('out') / 'page.html'
    tool.main([str(index), '--root', str(index.parent), '--config', str(config), '--out', str(page)])
    assert f'{page} has the pictures' in capsys.readouterr().out
    text = page.read_text()
    assert '100% of the points lie within the range [-50.0, ' in text
    assert text.count('data:image/png;base64,') == 2


def test_foreseen_errors_are_one_sentence(index, tmp_path):
    with pytest.raises(SystemExit, match=r'error: no sequence index at .*nowhere.json'):
        tool.main([str(tmp_path / 'nowhere.json')])
    with pytest.raises(SystemExit, match=r'error: data_root .*gone does not exist'):
        tool.main([str(index), '--root', str(tmp_path / 'gone')])
    config = tmp_path / 'config.py'
    config.write_text('x = 1\n')
    with pytest.raises(SystemExit, match=r'error: .*config.py has no train_dataloader.dataset.point_cloud_range'):
        tool.main([str(index), '--config', str(config)])


@pytest.mark.parametrize('number', ['0', '-1', 'many'])
def test_a_number_of_frames_that_is_none_is_refused(index, number, capsys):
    with pytest.raises(SystemExit, match='2'):
        tool.main([str(index), f'--frames-per-sequence={number}'])
    assert f"'{number}' is not a number of at least 1" in capsys.readouterr().err
