"""The parts of the report: joined logs, numbers, warnings, pictures, and escaped text."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.image import imread
from mmengine.config import Config

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.evaluation.report import (
    draw_curves,
    numbers_table,
    read_curves,
    read_warnings,
    table,
    warnings_table,
    write_report,
)


class Page(HTMLParser):
    """Reads a page and checks that its tags are balanced."""

    VOID = ('meta', 'img')

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.sources, self.text = [], [], [], ''
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ('src', 'href')]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def write_session(folder, *rows, log=''):
    (folder / 'vis_data').mkdir(parents=True)
    (folder / 'vis_data/scalars.json').write_text(''.join(json.dumps(row) + '\n' for row in rows))
    (folder / f'{folder.name}.log').write_text(log)
    return folder


def write_config(root):
    for i in range(4):
        np.random.default_rng(i).normal(0, 5, (100, 4)).astype(np.float32).tofile(root / f'{i}.bin')
    write_sequence_index(root / 'index.json', {'load_dim': 4}, [FrameSequence('s', [f'{i}.bin' for i in range(4)])])
    view = dict(type='MultiView', load=[dict(type='LoadFrame')], augment=[dict(type='PointSample', num_points=30)])
    dataset = dict(type='TemporalPairDataset', data_root=str(root), ann_file='index.json', window=2, pipeline=[view])
    return Config(dict(train_dataloader=dict(dataset=dataset, sampler=dict(type='PairSampler')), note='<b>&"'))


def test_sessions_are_joined_by_step_and_later_ones_win(tmp_path):
    first = write_session(
        tmp_path / 'a', *(dict(loss=8 - step, lr=0.1, step=step, epoch=1, iter=step) for step in (1, 2, 3))
    )
    second = write_session(tmp_path / 'b', dict(loss=1.5, lr=0.2, step=3), dict(step=4, loss=math.nan))
    curves = read_curves([first, tmp_path / 'gone', second])
    assert list(curves) == ['loss', 'lr']
    assert list(curves['loss']) == [1, 2, 3, 4]
    assert [curves['loss'][step] for step in (1, 2, 3)] == [7, 6, 1.5]
    assert math.isnan(curves['loss'][4])
    assert curves['lr'] == {1: 0.1, 2: 0.1, 3: 0.2}


def test_scalars_of_one_step_in_several_lines_are_joined_and_cut_lines_left_out(tmp_path):
    folder = write_session(tmp_path / 'a', dict(loss=2, step=5), {'probe/knn_accuracy': 80, 'step': 5})
    with (folder / 'vis_data/scalars.json').open('a') as file:
        file.write('[1, 2]\n{"name": "text", "step": 6}\n{"loss": 1.0, "st')
    assert read_curves([folder]) == {'loss': {5: 2}, 'probe/knn_accuracy': {5: 80}}


def test_a_run_without_scalars_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match='LocalVisBackend'):
        read_curves([tmp_path])


def test_each_scalar_has_a_panel_with_its_values():
    curves = {'loss': {1: 3.0, 2: math.nan, 3: 1.0}, 'a_$x_{$': {1: 0.5}, 'c': {1: 1}, 'd': {1: math.inf}}
    figure = draw_curves(curves)
    panels = {axes.get_title(): axes for axes in figure.axes[:4]}
    assert list(panels) == ['loss (1 not finite)', 'a_$x_{$', 'c', 'd (1 not finite)']
    assert panels['loss (1 not finite)'].lines[0].get_xydata().tolist() == [[1, 3], [3, 1]]
    assert [axes.axison for axes in figure.axes] == [True] * 4 + [False] * 2
    figure.savefig(io.BytesIO(), format='png')


def test_the_numbers_are_the_last_first_least_and_largest():
    html = numbers_table({'loss': {10: 8.0, 20: 0.5, 30: math.nan, 40: 2.0}, 'x': {7: math.nan}})
    rows = [re.findall(r'<td[^>]*>([^<]*)</td>', row) for row in html.splitlines()]
    assert rows[2:4] == [['loss', '40', '2', '8', '0.5', '8'], ['x', '7', 'nan', 'nan', 'nan', 'nan']]


def test_warnings_are_collected_counted_and_read_to_their_end(tmp_path):
    log = (
        '2026/11/24 00:18:06 - mmengine - INFO - all is well\n'
        '2026/11/24 00:18:07 - mmengine - WARNING - frame 3 <is> damaged\n'
        '2026/11/24 00:18:08 - mmengine - ERROR - two\nlines\n'
        '2026/11/24 00:18:09 - mmengine - INFO - no WARNING - at all\nmore\n'
        '2026/11/24 00:18:10 - mmengine - WARNING - frame 3 <is> damaged\n'
    )
    counts = read_warnings([write_session(tmp_path / 'a', log=log), write_session(tmp_path / 'b', log=log)])
    assert counts == {'frame 3 <is> damaged': 4, 'two\nlines': 2}
    assert list(counts) == ['frame 3 <is> damaged', 'two\nlines']
    assert 'frame 3 &lt;is&gt; damaged' in warnings_table(counts)
    many = warnings_table({f'message {i}': 1 for i in range(130)})
    assert many.count('<tr>') == 101
    assert 'And 30 others' in many
    assert 'None' in warnings_table({})


def test_cells_are_escaped():
    html = table(['<a>'], [['<script>alert("&")</script>'], [1.5]])
    assert '<script>' not in html
    assert '<td class="number">1.5</td>' in html
    assert Page(html).text.split() == ['<a>', '<script>alert("&")</script>', '1.5']


def test_the_page_is_whole_and_needs_nothing_else(tmp_path):
    session = write_session(tmp_path / 'run', dict(loss=2.5, step=1), dict(loss=1.25, step=2))
    html = write_report([session, tmp_path / 'gone'], write_config(tmp_path), 'a <run> & more')
    page = Page(html)
    for text in ('a <run> & more', 'loss', '1.25', 'torch', 'note', '<b>&"', 'gone', 'MISSING'):
        assert text in page.text
    assert 'could not be made' not in html
    assert 'script' not in page.tags
    assert len(page.sources) == 4  # the curves and three pairs
    for source in page.sources:
        kind, data = source.split(',')
        assert kind == 'data:image/png;base64'
        pixels = imread(io.BytesIO(base64.b64decode(data)))
        assert pixels.std() > 0


def test_names_from_the_logs_can_be_written_and_are_only_text(tmp_path):
    names = ['<img src=x onerror=alert(1)>', '\ud800', '{title}', '$x_{$']
    html = write_report(
        [write_session(tmp_path / 'run', {**dict.fromkeys(names, 1.0), 'step': 1})], Config(), '{parts}'
    )
    (tmp_path / 'report.html').write_text(html, encoding='utf-8')
    page = Page(html)
    assert all(name in page.text for name in ('{parts}', '{title}', '$x_{$', names[0]))
    assert page.tags.count('img') == 1  # the curves


def test_a_part_that_cannot_be_made_says_so_and_the_others_are_made(tmp_path):
    html = write_report([tmp_path / 'nothing'], Config(dict(model=dict(type='X'))), 'run')
    page = Page(html)
    assert html.count('This part could not be made') == 3  # numbers, curves and pairs
    assert 'LocalVisBackend' in page.text
    assert 'torch' in page.text
    assert "type='X'" in page.text
