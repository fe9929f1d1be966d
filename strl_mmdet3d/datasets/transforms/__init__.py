"""The stages that turn a frame into a view: one module each, registered in mmdetection3d's ``TRANSFORMS``."""

from .crop import RandomCropPoints, RandomCropPointsBySide
from .crop_xy import RandomCropPointsXY
from .cutout import RandomCutoutPoints
from .downsample import DownSamplePoints
from .draw_regions import DrawRegions
from .drop_beams import RandomDropBeams
from .drop_by_range import RandomDropByRange
from .dropout import RandomDropPoints
from .field_of_view import CutToFieldOfView, DrawHeading
from .jitter import RandomUniformJitterPoints
from .load_depth import LoadDepthFrame
from .load_frame import LoadFrame
from .load_shape import LoadShape
from .load_sweeps import LoadSweeps
from .mark_moved import MarkMoved
from .normalize import NormalizePointsToUnitSphere
from .paste_moved import PasteMoved
from .rotate import RandomRotatePoints
from .scale import RandomScalePoints
from .translate import RandomTranslatePoints
from .views import MultiView
