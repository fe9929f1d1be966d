"""PointPillars' whole trunk pre-trained by masked occupancy: what the other frame holds where this one is hidden. Ours.

The frames of a pair are aligned by their poses, and no transform moves a view, so that both lie in the same axes.
"""

_base_ = ['../_base_/datasets/kitti_pairs.py', '../_base_/recipes/strl_adamw.py']

model = dict(
    type='MaskedOccupancy',
    encoder=dict(
        type='DetectorEncoder',
        detector='mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        feature='0',  # the neck's only level, (B, 384, 248, 216)
    ),
    in_channels=384,
)
train_dataloader = dict(
    dataset=dict(
        align_poses=True,
        point_cloud_range=[0, -39.68, -3, 69.12, 39.68, 1],
        pipeline=dict(augment=[]),
    )
)
# There is no target network, and there are no projections.
default_hooks = dict(target=None, collapse=None)
