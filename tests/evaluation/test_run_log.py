"""Reading the logs of a run: joined sessions, warnings and durations."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from page_reader import write_session

from strl_mmdet3d.evaluation.run_log import (
    ABANDONED,
    DEPRECATION,
    in_words,
    read_curves,
    read_duration,
    read_warnings,
)
from strl_mmdet3d.evaluation.run_verdict import judge


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


def test_what_a_session_did_after_the_step_where_a_later_one_began_again_does_not_count(tmp_path):
    warning = '2026/11/24 00:18:06 - mmengine - WARNING - iteration {}: the projections have collapsed\n'.format
    first = write_session(tmp_path / 'a', *(dict(loss=1, step=step) for step in range(10, 110, 10)), log=warning(80))
    second = write_session(tmp_path / 'b', *(dict(loss=2, step=step) for step in (55, 80)), log=warning(60))
    died = write_session(tmp_path / 'c')
    curves = read_curves([first, second, died])
    assert curves == {'loss': {10: 1, 20: 1, 30: 1, 40: 1, 50: 1, 55: 2, 80: 2}}
    said = read_warnings([first, second, died])
    abandoned = f'{ABANDONED}iteration 80: the projections have collapsed'
    assert said == {abandoned: 1, 'iteration 60: the projections have collapsed': 1}
    assert judge(curves, said, {}).sentence.startswith('The run is doubtful: for a while')
    assert 'had collapsed' not in judge(curves, {abandoned: 1}, {}).sentence


def test_scalars_of_one_step_in_several_lines_are_joined_and_cut_lines_left_out(tmp_path):
    folder = write_session(tmp_path / 'a', dict(loss=2, step=5), {'probe/knn_accuracy': 80, 'step': 5})
    with (folder / 'vis_data/scalars.json').open('a') as file:
        file.write('[1, 2]\n{"name": "text", "step": 6}\n{"loss": 1.0, "st')
    assert read_curves([folder]) == {'loss': {5: 2}, 'probe/knn_accuracy': {5: 80}}


def test_a_run_without_scalars_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match='LocalVisBackend'):
        read_curves([tmp_path])


def test_warnings_are_collected_counted_and_read_to_their_end(tmp_path):
    log = (
        '2026/11/24 00:18:06 - mmengine - INFO - all is well\n'
        '2026/11/24 00:18:07 - mmengine - WARNING - frame 3 <is> damaged\n'
        '2026/11/24 00:18:08 - mmengine - ERROR - two\nlines\n'
        # mmengine writes this table without a head of its own.
        'Name of parameter - Initialization information\n\nbackbone.weight - torch.Size([1]): \nNormalInit\n'
        '2026/11/24 00:18:09 - mmengine - INFO - no WARNING - at all\nmore\n'
        '2026/11/24 00:18:10 - mmengine - WARNING - frame 3 <is> damaged\n'
    )
    sessions = [write_session(tmp_path / 'a', log=log), write_session(tmp_path / 'b', log=log)]
    counts = read_warnings(sessions)
    assert counts == {'frame 3 <is> damaged': 4, 'two\nlines': 2}
    assert list(counts) == ['frame 3 <is> damaged', 'two\nlines']
    assert read_duration([*sessions, tmp_path / 'gone']) == timedelta(seconds=8)


def test_a_deprecation_is_told_from_our_own_warnings():
    assert DEPRECATION.search('FutureWarning: `torch.cuda.amp.autocast(args...)` is deprecated')
    assert not DEPRECATION.search('the projections have collapsed')


@pytest.mark.parametrize(
    ('seconds', 'words'), [(0, '0 s'), (59.4, '59 s'), (60, '1 min'), (3599, '1 h 00 min'), (7_500, '2 h 05 min')]
)
def test_durations_in_words(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words
