"""The benchmark's rows run; what they measure is left to `make bench`."""

from __future__ import annotations

import benchmark


def test_interleaved_gives_the_medians_of_both_sides():
    calls = []
    ours, peer = benchmark.interleaved(lambda: calls.append('ours'), lambda: calls.append('peer'), repeats=3)
    assert calls == ['ours', 'peer'] * 4  # a warm-up first
    assert ours > 0
    assert peer > 0


def test_the_rows_without_a_detector_run(tmp_path):
    benchmark.write_scans(tmp_path)
    for ours, peer in (benchmark.bench_pair(tmp_path, repeats=1), benchmark.bench_target_update(repeats=1)):
        assert ours > 0
        assert peer > 0
