"""The report at the end of whole short runs, and of resumed runs."""

from __future__ import annotations

import pytest
from tiny import tiny_runner

from strl_mmdet3d.engine.hooks.report_hook import SESSIONS_KEY

WRITE_REPORT = 'strl_mmdet3d.evaluation.report.write_report'
WRITE_FILE = 'strl_mmdet3d.engine.hooks.report_hook.write_text_whole'


def run(work_dir, epochs=1, resume=False, **changes):
    options = dict(
        custom_hooks=[
            dict(type='TargetUpdateHook'),
            dict(type='CollapseMonitorHook', interval=1),
            dict(type='ReportHook'),
        ],
        visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]),
    )
    if resume:
        options |= dict(resume=True, load_from=str(work_dir / f'epoch_{epochs - 1}.pth'))
    runner = tiny_runner(work_dir, epochs=epochs, **(options | changes))
    runner.train()
    return runner


def test_a_run_is_reported(tmp_path):
    runner = run(tmp_path)
    html = (tmp_path / 'report.html').read_text()
    for name in ('loss', 'spread', 'tau', 'lr', 'TargetUpdateHook', runner.experiment_name):
        assert name in html
    assert html.count('<svg') > 5  # the curves
    assert 'Nothing speaks against this run' in html or 'hardly changed the encoder' in html
    # Random pairs are not a TemporalPairDataset, so the sample pairs cannot be drawn.
    assert html.count('This part could not be made') == 1
    assert 'TemporalPairDataset' in html
    assert not list(tmp_path.glob('*.part'))


def test_a_resumed_run_reports_its_sessions_and_a_new_one_its_own_only(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(WRITE_REPORT, lambda sessions, *args: seen.append([s.name for s in sessions]) or '')
    monkeypatch.setattr('mmengine.runner.runner.time.strftime', lambda *args: f'2026_{len(seen)}')
    first = run(tmp_path)
    run(tmp_path, epochs=2, resume=True)
    run(tmp_path, epochs=1)
    assert seen == [['2026_0'], ['2026_0', '2026_1'], ['2026_2']]
    assert len(first.message_hub.get_info(SESSIONS_KEY)) == 1


def test_a_moved_work_directory_is_found(tmp_path, monkeypatch):
    run(tmp_path / 'old')
    (tmp_path / 'old').rename(tmp_path / 'new')
    seen = []
    monkeypatch.setattr(WRITE_REPORT, lambda sessions, *args: seen.extend(sessions) or '')
    run(tmp_path / 'new', epochs=2, resume=True)
    assert len(seen) == 2
    assert all(session.is_dir() for session in seen)


@pytest.mark.parametrize('failing', [WRITE_REPORT, WRITE_FILE])
def test_a_report_that_fails_does_not_fail_the_training(tmp_path, monkeypatch, failing):
    def fail(*args):
        raise OSError('no space left on device')

    monkeypatch.setattr(failing, fail)
    runner = run(tmp_path)
    assert runner.iter == 4
    assert not (tmp_path / 'report.html').exists()
    logs = ''.join(path.read_text() for path in tmp_path.glob('*/*.log'))
    assert 'no report' in logs
    assert 'no space left on device' in logs
