"""The stages that turn a frame into a view: one module each, registered in mmdetection3d's ``TRANSFORMS``."""

from .crop import RandomCropPoints, RandomCropPointsBySide
from .cutout import RandomCutoutPoints
from .downsample import DownSamplePoints
from .dropout import RandomDropPoints
from .jitter import RandomUniformJitterPoints
from .load_depth import LoadDepthFrame
from .load_frame import LoadFrame
from .load_shape import LoadShape
from .normalize import NormalizePointsToUnitSphere
from .rotate import RandomRotatePoints
from .scale import RandomScalePoints
from .translate import RandomTranslatePoints
from .views import MultiView
