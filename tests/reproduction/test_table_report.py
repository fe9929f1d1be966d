"""The page: the paper's numbers beside means and deviations computed by hand, and 'not run' where it was not."""

from __future__ import annotations

from pathlib import Path

from strl_mmdet3d.evaluation.detection.comparison import interval_of
from strl_mmdet3d.reproduction.results import Results
from strl_mmdet3d.reproduction.step import Settings
from strl_mmdet3d.reproduction.steps import evaluation_steps
from strl_mmdet3d.reproduction.table_figure import draw_table
from strl_mmdet3d.reproduction.table_report import as_markdown, measured, paper_text
from strl_mmdet3d.reproduction.tables import TABLES, find_tables


def page(settings, *names, pictures=None):
    return as_markdown(find_tables(list(names)), Results(settings.work_dir), settings, pictures or {})


def test_numbers_stand_beside_the_papers(tmp_path):
    settings = Settings(tmp_path, seeds=2)
    (table,) = find_tables(['5'])
    results = Results(tmp_path)
    (step,) = evaluation_steps(table.rows[1], settings)
    metric = 'Kitti metric/pred_instances_3d/KITTI/{}_3D_AP40_moderate_strict'  # as mmdet3d names it
    numbers = {seed: {metric.format('Car'): 80.0 + 2 * seed, metric.format('Cyclist'): 10.0} for seed in (0, 1)}
    results.write(step, numbers, 0)
    text = page(settings, '5')
    # 80 and 82: mean 81, deviation the root of 2.
    cells = (
        '84.70 | 81.00 \N{PLUS-MINUS SIGN} 1.41 (n = 2, seeds 0-1) | 57.80 | the test gave no number | 71.88 | 10.00'
    )
    assert f'| PV-RCNN, STRL | {cells} \N{PLUS-MINUS SIGN} 0.00 (n = 2, seeds 0-1) |' in text
    assert '| PV-RCNN, from scratch | 84.50 | not run | 57.06 | not run | 70.14 | not run |' in text
    assert 'Car AP40: the paper | Car AP40: measured' in text


def test_detectors_are_compared_seed_by_seed(tmp_path):
    settings = Settings(tmp_path, data='real', seeds=3)
    (table,) = find_tables(['3'])
    results = Results(tmp_path)
    for row, numbers in zip(table.rows, ([0.50, 0.40, 0.30], [0.53, 0.44, 0.32]), strict=True):
        (step,) = evaluation_steps(row, settings)
        results.write(step, {seed: {'mAP_0.25': number} for seed, number in enumerate(numbers)}, 0)
    text = page(settings, '3')
    # 3, 4 and 2: mean 3, deviation 1, half the interval 4.303 / sqrt(3).
    assert '| VoteNet, STRL | +3.0 [+0.5, +5.5] (n = 3, seeds 0-2): **better** |' in text
    assert 'Differences to "VoteNet, from scratch", seed by seed, with their 95% interval' in text
    assert 'Differences' not in page(settings, '1', '2', '4')


def test_a_page_without_any_run_says_so_in_each_row(tmp_path):
    text = page(Settings(tmp_path), 'all')
    rows = [
        line for line in text.splitlines() if line.startswith('| ') and '---' not in line and ': measured' not in line
    ]
    assert len(rows) == sum(len(table.rows) for table in TABLES)
    assert all('not run' in row for row in rows)
    assert text.count('\n## ') == len(TABLES)
    assert '| VoteNet, from scratch | 57.0 to 57.7 | not run |' in text
    assert '| without rotation | not known here | not run |' in text
    assert '(ours) | ours | not run |' in text


def test_the_page_says_of_what_the_numbers_are(tmp_path):
    assert 'The numbers say nothing' in page(Settings(tmp_path, size='tiny'), '1')
    assert 'Simulated data' in page(Settings(tmp_path), '1')
    real = page(Settings(tmp_path, data='real'), '1', pictures={'1': [Path('figures/1.png')]})
    assert 'Simulated data' not in real
    assert '](figures/1.png)' in real


def test_a_figure_shows_each_number_and_each_row_that_was_not_run(tmp_path):
    (table,) = find_tables(['3'])
    column = table.columns[0].heading
    of_rows = {table.rows[0].name: {column: interval_of({0: 40.0, 1: 42.0})}, table.rows[1].name: {column: 'not run'}}
    figure = draw_table(table, of_rows, 'simulated data, full')
    (axes,) = figure.axes
    drawn = [tuple(line.get_xdata()) for line in axes.lines if len(line.get_xdata())]
    assert (57.0, 57.7) in drawn  # the range of the paper
    assert (58.2,) in drawn
    assert (41.0,) in drawn
    assert [text.get_text() for text in axes.texts] == ['not run']
    assert round(axes.texts[0].xy[1]) == 1  # in the second row
    assert [label.get_text() for label in axes.get_yticklabels()] == [row.name for row in table.rows]


def test_every_table_is_drawn_without_any_run(tmp_path):
    for table in TABLES:
        figure = draw_table(table, measured(table, Results(tmp_path), Settings(tmp_path)), 'x')
        assert len(figure.axes) == len(table.columns)
        assert sum(len(axes.texts) for axes in figure.axes) == len(table.rows) * len(table.columns)


def test_the_text_of_a_number_has_the_papers_places():
    (kitti,), (shapes,) = find_tables(['5']), find_tables(['1'])
    assert paper_text(kitti.rows[0], 0, kitti.columns[0].digits) == '84.50'
    assert paper_text(shapes.rows[1], 0, shapes.columns[0].digits) == '88.3'
