"""PointPillars' whole trunk pre-trained on drives of two sensors, as often on one as on the other.

KITTI's scans hold x, y, z and a reflectance from 0 to 1 at 10 Hz, nuScenes' x, y, z, an intensity from 0 to 255 and the
ring at 20 Hz. The detector reads four values, the last from 0 to 1.

Data: that of `kitti_pairs.py`, and $NUSCENES_ROOT with an index by `tools/create_sequence_index.py folder --root
$NUSCENES_ROOT --ext .pcd.bin --out $NUSCENES_ROOT/sequences.json`, of `samples/LIDAR_TOP` and `sweeps/LIDAR_TOP`.
"""

_base_ = './pointpillars_kitti_pretrain_scans.py'

kitti = _base_.train_dataloader.dataset
nuscenes = dict(
    kitti,
    data_root='{{$NUSCENES_ROOT:data/nuscenes}}',
    window=20,  # one second, as of KITTI
    pipeline=[
        # nuScenes' LiDAR has y forward: along the street, forward or back, as of KITTI.
        dict(_base_.scan_pair[0], directions=[1.57079633, -1.57079633]),
        dict(
            _base_.views,
            load=[
                dict(type='LoadFrame', coord_type='LIDAR', load_dim=5, use_dim=4, intensity_scale=1 / 255),
                *_base_.scan_load,
            ],
        ),
    ],
)
train_dataloader = dict(
    sampler=dict(weights=[1.0, 1.0]),
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=[kitti, nuscenes]),
)
