"""The algorithm: STRL, the encoder around a stock detector, projector and predictor. Also a classifier of shapes."""

from .backbones import DGCNN, FeatureKNNDGCNN, PointNet
from .data_preprocessor import PairDataPreprocessor
from .encoder import DetectorEncoder
from .mlp import ProjectionMLP
from .motion_head import MotionHead
from .occupancy_head import OccupancyHead
from .plane_prediction import PlanePrediction
from .regions import BEVRegions, PointRegions
from .shape_classifier import ShapeClassifier
from .shape_head import ShapeClsHead
from .strl import STRL, byol_loss, contrastive_loss
from .strl_with_heads import STRLWithHeads
