"""PointPillars' whole trunk pre-trained by what hidden patches hold, and by what has moved in the other frame. Ours.

The frames of a pair are aligned by their poses, and no transform moves a view, so that both lie in the same axes. Both
are cut to a camera's field of view, which the detector sees of a scan.
"""

_base_ = [
    '../_base_/datasets/kitti_pairs.py',
    '../_base_/augmentations/strl_scans.py',
    '../_base_/recipes/strl_adamw.py',
]

model = dict(
    type='PlanePrediction',
    encoder=dict(
        type='DetectorEncoder',
        detector='mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        feature='0',  # the neck's only level, (B, 384, 248, 216)
    ),
    in_channels=384,
    heads=dict(occupancy=dict(type='OccupancyHead', temporal=True), motion=dict(type='MotionHead')),
)
stages = _base_.train_dataloader.dataset.pipeline
views = dict(
    stages,
    load=[*stages['load'], *_base_.scan_load],
    pair=[dict(type='MarkMoved')],
    augment=[],
    pack=[
        dict(type='PointsRangeFilter'),
        dict(type='PointShuffle'),
        dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask', 'pts_instance_mask']),
    ],
)
train_dataloader = dict(
    dataset=dict(
        align_poses=True,
        point_cloud_range=[0, -39.68, -3, 69.12, 39.68, 1],
        pipeline=[*_base_.scan_pair, views],
    )
)
# There is no target network, and there are no projections.
default_hooks = dict(target=None, collapse=None)
