"""The algorithm: STRL, the encoder around a stock detector, projector and predictor. Also a classifier of shapes."""

from .backbones import DGCNN, FeatureKNNDGCNN, PointNet
from .data_preprocessor import PairDataPreprocessor
from .encoder import DetectorEncoder
from .mlp import ProjectionMLP
from .occupancy import MaskedOccupancy
from .regions import BEVRegions, PointRegions
from .shape_classifier import ShapeClassifier
from .shape_head import ShapeClsHead
from .strl import STRL, byol_loss, contrastive_loss
