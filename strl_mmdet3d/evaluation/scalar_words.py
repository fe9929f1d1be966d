"""What the logged scalars are, in words and units."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class ScalarWords:
    """A scalar in words.

    Attributes:
        words: What it is, and what is good.
        unit: Its unit; '' of a number without one.
    """

    words: str
    unit: str = ''


SCALARS = {
    'loss': ScalarWords(
        'what is minimised: how far the predictions are from the target network, if there is one, and the losses of '
        'heads. It should fall, but the loss of a collapsed run falls, too'
    ),
    'loss_occupancy': ScalarWords('the part of it by the head that tells which hidden voxels hold points'),
    'loss_motion': ScalarWords('the part of it by the head that finds what has moved'),
    'spread': ScalarWords(
        'how much the projections of a batch differ: about 1 is healthy, 0 is collapse (the same for every cloud)'
    ),
    'effective_rank': ScalarWords('in how many directions the projections differ; near 1 is collapse'),
    'alignment': ScalarWords(
        'the squared distance of the two views of a pair on the unit sphere, 0 to 4: 2 where they have nothing in '
        'common; smaller is closer'
    ),
    'uniformity': ScalarWords('how evenly projections fill the sphere, -8 to 0; 0 is collapse, smaller is more even'),
    'target_distance': ScalarWords('how far the target network lags behind the online one, as a share of its norm'),
    'tau': ScalarWords('the share of itself that the target network keeps at each step; it rises to 1'),
    'weights_moved': ScalarWords(
        'how far the weights are from their beginning, as a share of their norm; under 0.05 they are nearly as '
        'initialised'
    ),
    'lr': ScalarWords('the learning rate'),
    'base_lr': ScalarWords('the learning rate before factors of single layers'),
    'grad_norm': ScalarWords('the norm of the gradient'),
    'time': ScalarWords('one iteration, with its data', 's'),
    'data_time': ScalarWords(
        'waiting for the data of an iteration; much less than time if there are enough workers', 's'
    ),
    'memory': ScalarWords('the most memory of the GPU that tensors took', 'MB'),
    'probe/knn_accuracy': ScalarWords(
        'labelled shapes told apart by nearest neighbours; the first value is of the untrained encoder', '%'
    ),
    'probe/temporal_retrieval': ScalarWords(
        'how often the nearest other frame is a neighbour in time; the first value is of the untrained encoder', '%'
    ),
    'probe/temporal_retrieval_by_chance': ScalarWords('the same by chance', '%'),
}

MEANS = ('loss', 'time', 'data_time', 'grad_norm')
"""What mmengine's LogProcessor averages over the last iterations, by its ``mean_pattern``; of others, it logs the last
value."""


def words_of(name: str) -> ScalarWords:
    """Return a scalar in words; parts of one (``weights_moved/backbone``) have the whole's."""
    found = SCALARS.get(name)
    if found is None and name.startswith('weights_moved/'):
        whole = SCALARS['weights_moved']
        return ScalarWords(f'of this part: {whole.words}')
    return found or ScalarWords('')


def in_order(names: Iterable[str]) -> list[str]:
    """Return scalars in the order in which they are best read: the known ones as above, then the others by name."""
    place = {name: number for number, name in enumerate(SCALARS)}
    return sorted(names, key=lambda name: (place.get(name.partition('/')[0], place.get(name, len(place))), name))


def is_mean(name: str) -> bool:
    """Return whether the logged values are means over the last iterations."""
    return any(part in name for part in MEANS)
