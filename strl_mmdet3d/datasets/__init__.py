"""From recordings to pairs of views: the sequence index, the choice of pairs, and the transforms of a view."""

from . import transforms
from .collate import collate_pairs
from .pair_key import PairKey
from .pair_selection import draw_neighbour_pair, draw_window_pair, window_around
from .readers.frame_file import CorruptFrameError, UnusablePairError
from .sampler import PairSampler
from .sequence_index import FrameSequence, SequenceIndexError, read_sequence_index, write_sequence_index
from .shape_dataset import ShapeDataset
from .temporal_pair_dataset import TemporalPairDataset
from .transforms.load_depth import LoadDepthFrame
from .transforms.load_frame import LoadFrame
from .transforms.load_shape import LoadShape
from .transforms.views import EmptyViewError, MultiView

__all__ = [
    'CorruptFrameError',
    'EmptyViewError',
    'FrameSequence',
    'LoadDepthFrame',
    'LoadFrame',
    'LoadShape',
    'MultiView',
    'PairKey',
    'PairSampler',
    'SequenceIndexError',
    'ShapeDataset',
    'TemporalPairDataset',
    'UnusablePairError',
    'collate_pairs',
    'draw_neighbour_pair',
    'draw_window_pair',
    'read_sequence_index',
    'transforms',
    'window_around',
    'write_sequence_index',
]
