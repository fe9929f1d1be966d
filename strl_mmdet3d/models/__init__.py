"""The algorithm: STRL, the encoder around a stock detector, projector and predictor."""

from .data_preprocessor import PairDataPreprocessor
from .encoder import DetectorEncoder
from .mlp import ProjectionMLP
from .strl import STRL, byol_loss

__all__ = ['STRL', 'DetectorEncoder', 'PairDataPreprocessor', 'ProjectionMLP', 'byol_loss']
