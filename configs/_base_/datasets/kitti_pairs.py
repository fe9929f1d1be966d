"""Pairs of scans from the drives of KITTI raw.

Data: $KITTI_RAW_ROOT, with an index by `tools/create_sequence_index.py kitti-raw --root $KITTI_RAW_ROOT --out
$KITTI_RAW_ROOT/sequences.json`. Without it, the simulated drives of `make demo`.
"""

_base_ = ['./pairs.py']

train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        data_root='{{$KITTI_RAW_ROOT:data/kitti_sim/raw}}',
        # Our choice: 10 key frames are one second of a drive, in which a street is still the same street.
        window=10,
        # The same second for an index of every n-th frame, by its time stamps.
        max_gap=1.0,
        # Metres, in LiDAR axes; PV-RCNN's and SECOND's. It is stated here only: frames and filters are cut to it.
        point_cloud_range=[0, -40, -3, 70.4, 40, 1],
        pipeline=dict(
            load=[dict(type='LoadFrame', coord_type='LIDAR', load_dim=4, use_dim=4)],
            pack=[
                dict(type='PointsRangeFilter'),
                dict(type='PointShuffle'),
                dict(type='Pack3DDetInputs', keys=['points']),
            ],
        ),
    ),
)

# Our choice: a street keeps its ground level, so of the paper's rotations only the one about the vertical axis is left,
# as wide as in the detector's own training; a roll by 15 degrees would lift points 40 m away by 10 m, out of the range.
# Flips and scales are the detector's own too. The filter follows because cropping and cutout count in parts of the
# extent of what the detector will see.
lidar_view_transform = [
    dict(type='RandomFlip3D', flip_ratio_bev_horizontal=0.5),
    dict(type='GlobalRotScaleTrans', rot_range=[-0.78539816, 0.78539816], scale_ratio_range=[0.95, 1.05]),
    dict(type='PointsRangeFilter'),
]
