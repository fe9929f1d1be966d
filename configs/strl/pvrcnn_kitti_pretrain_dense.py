"""Dense STRL: PV-RCNN's 3D and BEV backbones learn from regions of KITTI's scans, not from one vector a scan. Ours.

The frames of a pair are aligned by their poses, so the index needs them (KITTI raw's `oxts` folders).
"""

_base_ = './pvrcnn_kitti_pretrain.py'

model = dict(
    encoder=dict(
        trunk=['voxel_encoder', 'middle_encoder', 'backbone', 'neck'],
        feature='neck_feats.0',  # the BEV plane that the anchor head sees, (B, 512, 200, 176)
        pool=dict(type='BEVRegions'),
    ),
    projector=dict(in_channels=512),
)
train_dataloader = dict(
    dataset=dict(
        align_poses=True,
        pipeline=dict(
            pair=[dict(type='DrawRegions', count=48, cell=(0.5, 0.5))],
            pack=[
                dict(type='PointsRangeFilter'),
                dict(type='PointShuffle'),
                dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d']),
            ],
        ),
    ),
)
