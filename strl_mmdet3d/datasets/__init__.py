"""From recordings to pairs of views: the sequence index, the choice of pairs, and the transforms of a view."""

from . import transforms
from .collate import collate_pairs
from .few_labels_sampler import FewLabelsSampler
from .pair_key import PairKey
from .pair_selection import draw_neighbour_pair, draw_window_pair, window_around
from .readers.frame_file import CorruptFrameError, UnusablePairError
from .sampler import PairSampler
from .sequence_index import FrameSequence, SequenceIndexError, read_sequence_index, write_sequence_index
from .shape_dataset import ShapeDataset
from .temporal_pair_dataset import TemporalPairDataset
from .transforms import LoadDepthFrame, LoadFrame, LoadShape, MultiView
from .transforms.views import EmptyViewError
