"""Pairs of scans from the drives of Lyft Level 5.

Data: $LYFT_ROOT, data/lyft without it, with an index by `tools/create_sequence_index.py nuscenes --root $LYFT_ROOT --out
$LYFT_ROOT/sequences.json`, which has poses and time stamps. A scan holds x, y, z, an intensity and the ring, and
detectors take x, y, z and the time lag.
"""

_base_ = ['./kitti_pairs.py']

train_dataloader = dict(
    dataset=dict(
        data_root='{{$LYFT_ROOT:data/lyft}}',
        window=5,  # one second at 5 Hz, as of KITTI
        point_cloud_range=[-80, -80, -5, 80, 80, 3],  # of mmdet3d's detectors, metres
        pipeline=dict(load=[dict(type='LoadFrame', coord_type='LIDAR', load_dim=5, use_dim=3, time_lag=True)]),
    ),
)
