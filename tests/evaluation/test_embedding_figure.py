"""The t-SNE picture."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.evaluation.embedding_figure import draw_embeddings
from strl_mmdet3d.evaluation.figure_text import save_picture
from strl_mmdet3d.evaluation.hover_svg import hover_svg


def test_panels_side_by_side_with_every_class_in_a_look_of_its_own(tmp_path):
    classes = [f'class {i}' for i in range(12)]
    labels = np.concatenate([np.repeat(np.arange(11), 3), np.full(9, 11)])
    x = np.eye(12)[labels] + np.random.default_rng(0).normal(0, 0.05, (len(labels), 12))
    drawn = draw_embeddings({'before': x[:, ::-1], 'after': x}, labels, classes, 5, {'before': 41.25, 'after': 100.0})
    figure = drawn.figure
    assert [axes.get_title() for axes in figure.axes] == [
        'before\nnearest neighbours tell 41.2 % right',
        'after\nnearest neighbours tell 100.0 % right',
    ]
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ['class 11 (9)', *(f'{name} (3)' for name in classes[:11])]
    assert '42 samples of 12 classes, perplexity 13.7, seed 5' in figure.get_suptitle()
    for axes in figure.axes:
        looks = {(line.get_color(), line.get_marker()): len(line.get_xdata()) for line in axes.lines}
        assert sorted(looks.values()) == [*[3] * 11, 9]
    save_picture(figure, tmp_path / 'tsne.png', 50)
    assert (tmp_path / 'tsne.png').stat().st_size > 10_000
    html = hover_svg(figure, drawn.says, 'features')
    assert html.count('<title>class 11</title>') == 2 * 9
    assert html.count('<title>class 4</title>') == 2 * 3


def test_names_are_shown_as_they_are(tmp_path):
    classes = ['$x_{$', '_hidden', r'$\alpha$', '\N{GRINNING FACE}']
    labels = np.repeat(np.arange(4), 3)
    figure = draw_embeddings({'$x_{$': np.random.default_rng(0).normal(size=(12, 5))}, labels, classes, 0).figure
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f'{name} (3)' for name in classes]
    save_picture(figure, tmp_path / 'tsne.png', 30)


@pytest.mark.parametrize('value', [0.0, 3.5])
def test_a_collapsed_encoder_is_drawn_as_one_place_and_told(value):
    features = {'before': np.eye(8), 'after': np.full((8, 5), value)}
    drawn = draw_embeddings(features, np.repeat([0, 1], 4), 'ab', 0, {'before': 50.0, 'after': 50.0})
    before, after = drawn.figure.axes
    assert 'collapsed' not in before.get_title()
    assert after.get_title().endswith('all samples have the same features: collapsed')
    assert not np.concatenate([line.get_xydata() for line in after.lines]).any()


def test_too_few_samples_are_told():
    with pytest.raises(ValueError, match='at least four'):
        draw_embeddings({'after': np.eye(3)}, np.arange(3), 'abc', seed=0)
