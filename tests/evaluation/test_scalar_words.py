from __future__ import annotations

import re
from pathlib import Path

import pytest

from strl_mmdet3d.evaluation.scalar_words import SCALARS, in_order, is_mean, words_of

ENGINE = Path(__file__).parents[2] / 'strl_mmdet3d/engine/hooks'


def test_what_the_hooks_log_is_explained():
    logged = {name for path in ENGINE.glob('*.py') for name in re.findall(r"'train/(\w+)'", path.read_text())}
    assert {'tau', 'weights_moved'} <= logged <= set(SCALARS)
    measured = ['spread', 'alignment', 'uniformity', 'target_distance', 'effective_rank']
    assert all(words_of(name).words for name in [*measured, 'loss', 'lr', 'weights_moved/backbone'])
    assert words_of('something else').words == ''


def test_the_loss_comes_first_and_parts_behind_their_whole():
    names = ['a', 'time', 'probe/knn_accuracy', 'weights_moved/neck', 'tau', 'weights_moved', 'loss']
    ordered = ['loss', 'tau', 'weights_moved', 'weights_moved/neck', 'time', 'probe/knn_accuracy', 'a']
    assert in_order(names) == ordered


@pytest.mark.parametrize(
    ('name', 'is_smoothed'), [('loss', True), ('data_time', True), ('grad_norm', True), ('tau', False), ('lr', False)]
)
def test_what_mmengine_averages_is_known(name, is_smoothed):
    from mmengine.runner import LogProcessor

    assert is_mean(name) == is_smoothed == bool(LogProcessor().mean_pattern.search(name))
