"""Pairs of scans from the drives of nuScenes, key frames and sweeps alike.

Data: $NUSCENES_ROOT, data/nuscenes without it, with an index by `tools/create_sequence_index.py nuscenes --root
$NUSCENES_ROOT --out $NUSCENES_ROOT/sequences.json`, which has poses and time stamps. A scan holds x, y, z, an intensity
from 0 to 255 and the ring.
"""

_base_ = ['./kitti_pairs.py']

train_dataloader = dict(
    dataset=dict(
        data_root='{{$NUSCENES_ROOT:data/nuscenes}}',
        window=20,  # one second at 20 Hz, as of KITTI
        point_cloud_range=[-51.2, -51.2, -5, 51.2, 51.2, 3],  # CenterPoint's, metres
        pipeline=dict(load=[dict(type='LoadFrame', coord_type='LIDAR', load_dim=5, use_dim=4)]),
    ),
)
