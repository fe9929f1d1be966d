"""The views of the authors' released code; `strl_paper.py` says how to use the lists.

It differs from the paper so: every view transform is always made, rotation and jitter are normal and clipped, crops are
drawn by their sides, cutouts are larger, dropped points are overwritten by the first point, depth frames are normalised
too, and shapes are cropped and cut before they are moved. Nothing was released for LiDAR.
"""

view_transform = [
    dict(type='RandomRotatePoints', std=0.06, max_angle=0.18, prob=1.0),
    dict(type='RandomTranslatePoints', max_shift=0.1, prob=1.0),
    dict(type='RandomScalePoints', scale=(0.8, 1.25), prob=1.0),
]

crop_and_cutout = [
    dict(type='RandomCropPointsBySide', side=(0.6, 1.1), aspect_ratio=(0.75, 1.33), min_points=1024, prob=0.5),
    dict(type='RandomCutoutPoints', side=(0.3, 0.6), min_points=1024, prob=0.5),
]

jitter_and_drop_out = [
    dict(type='RandomJitterPoints', jitter_std=[0.01, 0.01, 0.01], clip_range=[-0.05, 0.05]),
    dict(type='RandomDropPoints', max_ratio=0.875, overwrite=True),
]

spatial_augmentation = [*crop_and_cutout, *jitter_and_drop_out]

shape_augmentation = [
    dict(type='NormalizePointsToUnitSphere'),
    *crop_and_cutout,
    *view_transform,
    *jitter_and_drop_out,
]
depth_augmentation = [dict(type='NormalizePointsToUnitSphere'), *view_transform, *spatial_augmentation]
