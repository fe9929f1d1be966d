"""PV-RCNN pre-trained on the drives of KITTI raw: the paper's reading, its 3D voxel backbone, max-pooled.

Nothing was ever published of the settings of this pre-training. Those that are our choice say so.

Data: $KITTI_RAW_ROOT, with an index by `tools/create_sequence_index.py kitti-raw --root $KITTI_RAW_ROOT --out
$KITTI_RAW_ROOT/sequences.json`. Without it, the simulated drives of `make demo`.
"""

_base_ = ['../_base_/recipes/strl_paper.py', '../_base_/pretrain_runtime.py']

detector = 'mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py'
model = dict(
    type='STRL',
    encoder=dict(
        type='DetectorEncoder',
        detector=detector,
        trunk=['voxel_encoder', 'middle_encoder'],
        # The sparse backbone's output, its height stacked into the channels: (B, 256, 200, 176).
        feature='spatial_feats',
        pool='max',
    ),
    projector=dict(type='ProjectionMLP', in_channels=256),
    predictor=dict(type='ProjectionMLP', in_channels=256),
)

# The stock config's range, in metres, in LiDAR axes: what the detector sees is what is pre-trained.
point_cloud_range = [0, -40, -3, 70.4, 40, 1]
range_filter = dict(type='CompiledPointsRangeFilter', point_cloud_range=point_cloud_range)

# Our choice: a street keeps its ground level, so of the paper's rotations only the one about the vertical axis is left,
# as wide as in the detector's own training; a roll by 15 degrees would lift points 40 m away by 10 m, out of the range.
# Flips and scales are the detector's own too. The spatial augmentation is the paper's.
augment = [
    range_filter,
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5),
    dict(type='GlobalRotScaleTrans', rot_range=[-0.78539816, 0.78539816], scale_ratio_range=[0.95, 1.05]),
    range_filter,
    *_base_.spatial_augmentation,
]

train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='PairSampler'),
    collate_fn=dict(type='collate_pairs'),
    dataset=dict(
        type='TemporalPairDataset',
        data_root='{{$KITTI_RAW_ROOT:data/kitti_sim/raw}}',
        ann_file='sequences.json',
        mode='both',
        # Our choice: 10 key frames are one second of a drive, in which a street is still the same street.
        window=10,
        pipeline=[
            dict(
                type='MultiView',
                load=[dict(type='LoadFrame', coord_type='LIDAR', load_dim=4, use_dim=4)],
                augment=augment,
                pack=[range_filter, dict(type='PointShuffle'), dict(type='Pack3DDetInputs', keys=['points'])],
            )
        ],
    ),
)
