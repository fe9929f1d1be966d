"""Pairs of scans from the segments of Waymo, as mmdet3d's converter writes them.

Data: $WAYMO_ROOT, data/waymo/kitti_format without it, with an index by `tools/create_sequence_index.py infos --root
$WAYMO_ROOT --info $WAYMO_ROOT/waymo_infos_train.pkl --out $WAYMO_ROOT/sequences.json`. A scan holds x, y, z, intensity,
elongation and one value more.
"""

_base_ = ['./kitti_pairs.py']

train_dataloader = dict(
    dataset=dict(
        data_root='{{$WAYMO_ROOT:data/waymo/kitti_format}}',
        point_cloud_range=[-74.88, -74.88, -2, 74.88, 74.88, 4],  # of mmdet3d's detectors, metres
        pipeline=dict(load=[dict(type='LoadFrame', coord_type='LIDAR', load_dim=6, use_dim=5)]),
    ),
)
