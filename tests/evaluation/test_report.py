"""The parts of the report: joined logs, numbers, warnings, pictures, and escaped text."""

from __future__ import annotations

import base64
import io
import math
import re

import numpy as np
from matplotlib.image import imread
from mmengine.config import Config
from page_reader import Page, write_session

from strl_mmdet3d.datasets import FrameSequence, write_sequence_index
from strl_mmdet3d.evaluation.report import curves_html, draw_curve, numbers_table, warnings_table, write_report


def write_config(root):
    for i in range(4):
        np.random.default_rng(i).normal(0, 5, (100, 4)).astype(np.float32).tofile(root / f'{i}.bin')
    write_sequence_index(root / 'index.json', {'load_dim': 4}, [FrameSequence('s', [f'{i}.bin' for i in range(4)])])
    view = dict(type='MultiView', load=[dict(type='LoadFrame')], augment=[dict(type='PointSample', num_points=30)])
    dataset = dict(type='TemporalPairDataset', data_root=str(root), ann_file='index.json', window=2, pipeline=[view])
    return Config(dict(train_dataloader=dict(dataset=dataset, sampler=dict(type='PairSampler')), note='<b>&"'))


def test_a_scalar_is_drawn_with_its_values_and_unit():
    figure, says = draw_curve('a_$x_{$', {1: 3.0, 2: math.nan, 3: 1.0}, 'hover-0')
    (axes,) = figure.axes
    assert axes.get_title() == 'a_$x_{$ (1 not finite)'
    assert axes.lines[0].get_xydata().tolist() == [[1, 3], [3, 1]]
    assert says == {'hover-0': ['iteration 1: 3', 'iteration 3: 1']}
    figure, says = draw_curve('time', dict.fromkeys(range(10, 5000, 10), 0.25), 'hover-0')
    assert figure.axes[0].get_title() == 'time [s]'
    assert figure.axes[0].get_xlabel() == 'iteration'
    assert says['hover-0'][0] == 'iteration 10: 0.25 s'
    assert says['hover-0'][-1] == 'iteration 4,990: 0.25 s'
    assert len(says['hover-0']) <= 150
    draw_curve('d', {1: math.inf}, 'hover-0')[0].savefig(io.BytesIO(), format='png')


def test_curves_say_what_they_are_how_they_are_smoothed_and_answer_to_the_pointer():
    curves = {'loss': {10: 3.0, 20: 1.5}, 'spread': {10: 0.9}, 'b<i>': {10: 1.0}}
    html = curves_html(curves, Config(dict(log_processor=dict(window_size=7))))
    page = Page(html)
    assert 'mean of the last 7 iterations (log_processor.window_size)' in page.text
    assert 'every 10 iterations' in page.text
    assert page.text.count('mean of 7 iterations') == 1  # the loss; the spread is not smoothed
    assert '0 is collapse' in page.text
    assert '<title>iteration 20: 1.5</title>' in html
    assert page.tags.count('svg') == page.tags.count('figure') == 3
    assert 'i' not in page.tags


def test_the_numbers_are_the_last_first_least_and_largest():
    html = numbers_table({'loss': {10: 8.0, 20: 0.5, 30: math.nan, 40: 2.0}, 'time': {7: math.nan}})
    rows = [re.findall(r'<td[^>]*>([^<]*)</td>', row) for row in html.splitlines()]
    assert rows[2:4] == [['loss', '', '40', '2', '8', '0.5', '8'], ['time', 's', '7', 'nan', 'nan', 'nan', 'nan']]


def test_warnings_are_listed_without_the_deprecations_of_others():
    html = warnings_table({'frame 3 <is> damaged': 4, 'FutureWarning: `torch.x` is deprecated': 2})
    assert 'frame 3 &lt;is&gt; damaged' in html
    assert 'torch.x' not in html
    assert '1 deprecation warnings of other libraries are left out' in html
    many = warnings_table({f'message {i}': 1 for i in range(130)})
    assert many.count('<tr>') == 101
    assert 'And 30 others' in many
    assert warnings_table({}) == '<p>None.</p>'


def test_the_page_is_whole_and_needs_nothing_else(tmp_path):
    log = '2026/11/24 00:18:06 - mmengine - INFO - a\n2026/11/24 02:21:06 - mmengine - INFO - b\n'
    session = write_session(tmp_path / 'run', dict(loss=2.5, step=1), dict(loss=1.25, step=2), log=log)
    html = write_report([session, tmp_path / 'gone'], write_config(tmp_path), 'a <run> & more')
    page = Page(html)
    said = ('a <run> & more', 'loss', '1.25', 'torch', 'note', '<b>&"', 'gone', 'MISSING', '2 h 03 min in 2 sessions')
    for text in (
        *said,
        'Nothing speaks against this run',
        'Next:',
        'index.json',
        'window of 2',
        'command',
        'commit of',
    ):
        assert text in page.text
    assert 'could not be made' not in html
    assert 'script' not in page.tags
    assert page.text.index('Nothing speaks') < page.text.index('Curves') < page.text.index('the whole config')
    assert html.index('<details><summary>the whole config') < html.index('<pre>')
    assert len(page.sources) == 3  # three pairs
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
    assert 'img' not in page.tags
    assert page.tags.count('svg') == 4


def test_a_part_that_cannot_be_made_says_so_and_the_others_are_made(tmp_path):
    html = write_report([tmp_path / 'nothing'], Config(dict(model=dict(type='X'))), 'run')
    page = Page(html)
    assert html.count('This part could not be made') == 4  # verdict, curves, numbers, and pairs
    assert 'LocalVisBackend' in page.text
    assert 'torch' in page.text
    assert "type='X'" in page.text
