"""From a labelled data set as it is downloaded to the files that mmdet3d reads."""

from .sunrgbd import (
    BadImageError,
    Scene,
    SunRgbdError,
    back_project,
    convert_scene,
    convert_scenes,
    decode_depth,
    read_scenes,
    written_whole,
)

__all__ = [
    'BadImageError',
    'Scene',
    'SunRgbdError',
    'back_project',
    'convert_scene',
    'convert_scenes',
    'decode_depth',
    'read_scenes',
    'written_whole',
]
