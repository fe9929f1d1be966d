"""A picture of features: t-SNE, before and after pre-training side by side (paper, Fig. 4).

Needs the extras 'probe' (scikit-learn) and 'vis' (matplotlib).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE

from ..errors import ConfigError
from . import figure_style as style
from .figure_text import one_line, plain_text

PERPLEXITY = 30.0
PANEL_SIZE = 6.0  # inches
MARKER_SIZES = {'*': 7.5, '^': 5.5, 'v': 5.5, '<': 5.5, '>': 5.5, 'D': 4.0, 'o': 5.0}  # of areas that look alike
LEGEND_COLUMNS, LEGEND_LINE = 6, 0.16  # columns for two panels; inches


@dataclass(frozen=True)
class Embedding:
    """A picture of features.

    Attributes:
        figure: The picture.
        says: The ``gid`` of each class's points in each panel -> what each point is, for `hover_svg`.
    """

    figure: Figure
    says: dict[str, list[str]]


@plain_text
def draw_embeddings(
    features: Mapping[str, np.ndarray],
    labels: np.ndarray,
    classes: Sequence[str],
    seed: int,
    accuracies: Mapping[str, float] | None = None,
) -> Embedding:
    """Embed the features of the same samples in the plane, and draw them side by side.

    Features that are the same for all samples, of a collapsed encoder, are drawn as one place, and the title says so.
    Each of up to 77 classes has a colour and a marker of its own, the largest class first; then they repeat.

    Args:
        features: Title of a panel -> its features (N, D), N >= 4.
        labels: Int (N,).
        classes: The classes' names, by label.
        seed: The seed of t-SNE.
        accuracies: Title of a panel -> per cent of the samples that nearest neighbours by these features tell right.

    Returns:
        The picture, whose title states the number of samples and classes, the perplexity and the seed.

    Raises:
        ConfigError: If there are fewer than four samples.
    """
    if len(labels) < 4:
        raise ConfigError(f't-SNE needs at least four samples, there are {len(labels)}')
    # t-SNE looks at 3 * perplexity neighbours of each sample, which has only N - 1.
    perplexity = min(PERPLEXITY, (len(labels) - 1) / 3)
    counts = np.bincount(labels, minlength=len(classes))
    shown = [int(label) for label in np.argsort(-counts, kind='stable') if counts[label]]
    columns = max(2, LEGEND_COLUMNS * len(features) // 2)
    legend_height = -(-len(shown) // columns) * LEGEND_LINE
    figure = Figure(figsize=(len(features) * PANEL_SIZE, PANEL_SIZE + 0.9 + legend_height), layout='constrained')
    says: dict[str, list[str]] = {}
    panels = zip(figure.subplots(1, len(features), squeeze=False)[0], features.items(), strict=True)
    for number, (axes, (title, x)) in enumerate(panels):
        constant = not np.ptp(x, axis=0).any()  # t-SNE would divide by 0, and crash
        plane = (
            np.zeros((len(x), 2))
            if constant
            else TSNE(perplexity=perplexity, init='pca', random_state=seed).fit_transform(x)
        )
        for order, label in enumerate(shown):
            drawn = axes.plot(*plane[labels == label].T, **look_of(order))[0]
            drawn.set_gid(f'hover-{number}-{order}')
            says[drawn.get_gid()] = [classes[label]] * int(counts[label])
        accuracy = '' if accuracies is None else f'\nnearest neighbours tell {accuracies[title]:.1f} % right'
        axes.set_title(one_line(title) + accuracy + '\nall samples have the same features: collapsed' * constant)
        axes.set(xticks=[], yticks=[])
    figure.suptitle(
        f't-SNE of {len(labels):,} samples of {len(shown)} classes, perplexity {perplexity:.3g}, seed {seed}; the axes '
        'have no unit'
    )
    # Given as labels of the points, names that begin with '_' would be left out.
    names = [f'{one_line(classes[label])} ({counts[label]})' for label in shown]
    style.legend_below(figure, [Line2D([], [], **look_of(order)) for order in range(len(shown))], names, columns)
    return Embedding(figure, says)


def look_of(order: int) -> dict:
    """Return how the points of a class look, the largest class being 0."""
    colour, marker = style.COLOURS[order % len(style.COLOURS)], style.MARKERS[order % len(style.MARKERS)]
    size = MARKER_SIZES.get(marker, 4.5)
    return dict(
        linestyle='none', marker=marker, color=colour, markersize=size, markeredgewidth=0.3, markeredgecolor='white'
    )
