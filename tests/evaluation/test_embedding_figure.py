"""The t-SNE picture."""

from __future__ import annotations

import numpy as np
import pytest

from strl_mmdet3d.evaluation.embedding_figure import NUM_NAMED, draw_embeddings
from strl_mmdet3d.evaluation.figure_text import save_picture


def test_panels_side_by_side_with_the_largest_classes_named(tmp_path):
    classes = [f'class {i}' for i in range(12)]
    labels = np.concatenate([np.repeat(np.arange(11), 3), np.full(9, 11)])
    x = np.eye(12)[labels] + np.random.default_rng(0).normal(0, 0.05, (len(labels), 12))
    figure = draw_embeddings({'before': x[:, ::-1], 'after': x}, labels, classes, seed=0)
    assert [axes.get_title() for axes in figure.axes] == ['before', 'after']
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ['other classes', 'class 11', *classes[: NUM_NAMED - 1]]
    for axes in figure.axes:
        assert sum(len(points.get_offsets()) for points in axes.collections) == len(labels)
    figure.savefig(tmp_path / 'tsne.png')
    assert (tmp_path / 'tsne.png').stat().st_size > 10_000


def test_names_are_shown_as_they_are(tmp_path):
    classes = ['$x_{$', '_hidden', r'$\alpha$', '\N{GRINNING FACE}']
    labels = np.repeat(np.arange(4), 3)
    figure = draw_embeddings({'$x_{$': np.random.default_rng(0).normal(size=(12, 5))}, labels, classes, seed=0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == classes
    save_picture(figure, tmp_path / 'tsne.png', 30)


def test_too_few_samples_are_told():
    with pytest.raises(ValueError, match='at least four'):
        draw_embeddings({'after': np.eye(3)}, np.arange(3), 'abc', seed=0)
