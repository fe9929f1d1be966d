"""The views of the STRL paper (Huang et al., ICCV 2021), with its numbers.

A pre-training config takes the list for its data: `shape_augmentation` for synthetic shapes, `depth_augmentation` for
depth frames; LiDAR scans take `spatial_augmentation` behind the view transform in `kitti_pairs.py`. `strl_released.py`
defines the same four lists.
"""

view_transform = [
    dict(type='RandomRotatePoints', max_angle=0.2617993877991494, prob=0.5),  # 15 degrees
    dict(type='RandomTranslatePoints', max_shift=0.1, prob=0.5),
    dict(type='RandomScalePoints', scale=(0.8, 1.25), prob=0.5),
]

# The paper sets no least number of points. 1024 is half of a 2048-point shape, and little in a scan.
crop_and_cutout = [
    dict(type='RandomCropPoints', volume=(0.6, 1.0), aspect_ratio=(0.75, 1.33), min_points=1024, prob=0.5),
    dict(type='RandomCutoutPoints', side=(0.1, 0.4), min_points=1024, prob=0.5),
]
# The paper jitters first. Each point is jittered and dropped by itself, so the views are distributed as they are then,
# and what is dropped need not be jittered. For large clouds: dict(_base_.drop_out, at_most=WHAT_THE_ENCODER_TAKES).
drop_out = dict(type='RandomDropPoints', max_ratio=0.7)
jitter = dict(type='RandomUniformJitterPoints', max_offset=0.05)

spatial_augmentation = [*crop_and_cutout, drop_out, jitter]

# Normalisation comes first: behind the view transform it would undo translation and scaling, and behind the jitter the
# 0.05 would have no unit.
shape_augmentation = [dict(type='NormalizePointsToUnitSphere'), *view_transform, *spatial_augmentation]
depth_augmentation = [*view_transform, *spatial_augmentation]
