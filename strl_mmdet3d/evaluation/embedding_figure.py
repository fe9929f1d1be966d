"""A picture of features: t-SNE, before and after pre-training side by side (paper, Fig. 4).

Needs the extras 'probe' (scikit-learn) and 'vis' (matplotlib).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from ..errors import ConfigError
from .figure_text import one_line, plain_text

PERPLEXITY = 30.0
NUM_NAMED = 10  # the number of colours in matplotlib's palette 'tab10'
PANEL_SIZE = 6.0  # inches


@plain_text
def draw_embeddings(features: dict[str, np.ndarray], labels: np.ndarray, classes: Sequence[str], seed: int) -> Figure:
    """Embed the features of the same samples in the plane, and draw them side by side.

    Args:
        features: Title of a panel -> its features (N, D), N >= 4.
        labels: Int (N,). The ten largest classes are coloured and named, the others are grey.
        classes: The classes' names, by label.
        seed: The seed of t-SNE.

    Returns:
        The picture.

    Raises:
        ConfigError: If there are fewer than four samples.
    """
    if len(labels) < 4:
        raise ConfigError(f't-SNE needs at least four samples, there are {len(labels)}')
    # t-SNE looks at 3 * perplexity neighbours of each sample, which has only N - 1.
    perplexity = min(PERPLEXITY, (len(labels) - 1) / 3)
    counts = np.bincount(labels, minlength=len(classes))
    named = [label for label in np.argsort(-counts, kind='stable')[:NUM_NAMED] if counts[label]]
    figure = Figure(figsize=(len(features) * PANEL_SIZE, PANEL_SIZE + 1), layout='constrained')
    for axes, (title, x) in zip(figure.subplots(1, len(features), squeeze=False)[0], features.items(), strict=True):
        plane = TSNE(perplexity=perplexity, init='pca', random_state=seed).fit_transform(x)
        others = ~np.isin(labels, named)
        grey = axes.scatter(*plane[others].T, s=4, c='lightgrey')
        points = [axes.scatter(*plane[labels == label].T, s=12, color=f'C{i}') for i, label in enumerate(named)]
        axes.set_title(one_line(title))
        axes.set_xticks([])
        axes.set_yticks([])
    names = [one_line(classes[label]) for label in named]
    if others.any():
        points, names = [grey, *points], ['other classes', *names]
    # Given as labels of the points, names that begin with '_' would be left out.
    figure.legend(points, names, loc='outside lower center', ncols=6, fontsize=8)
    return figure
