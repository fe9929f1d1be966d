"""A picture of features: t-SNE, before and after pre-training side by side (paper, Fig. 4).

Needs the extras 'probe' (scikit-learn) and 'vis' (matplotlib).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from ..errors import ConfigError

PERPLEXITY = 30.0
NUM_NAMED = 10  # the number of colours in matplotlib's palette 'tab10'
PANEL_SIZE = 6.0  # inches


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
        axes.scatter(*plane[others].T, s=4, c='lightgrey', label='other classes' if others.any() else None)
        for i, label in enumerate(named):
            axes.scatter(*plane[labels == label].T, s=12, color=f'C{i}', label=classes[label])
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])
    figure.legend(*axes.get_legend_handles_labels(), loc='outside lower center', ncols=6, fontsize=8)
    return figure
