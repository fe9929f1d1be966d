"""Dense STRL: CenterPoint's whole trunk learns from regions of nuScenes' scans. Ours."""

_base_ = './centerpoint_voxel_nuscenes_pretrain.py'

model = dict(encoder=dict(pool=dict(type='BEVRegions')))
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
    )
)
