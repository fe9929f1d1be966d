r"""CenterPoint's whole trunk pre-trained by what has moved on nuScenes, with more things that move pasted in. Ours.

The recipe of `pointpillars_kitti_pretrain_motion.py` for a sensor of 32 beams, which are 4/3 of a degree apart, and for a
detector that sees the whole round. The things that move are collected once:

    python tools/collect_moved_things.py configs/strl/centerpoint_voxel_nuscenes_pretrain_motion.py \
        --out $NUSCENES_ROOT/moved_things.npz
"""

_base_ = ['../_base_/datasets/nuscenes_pairs.py', '../_base_/recipes/strl_adamw.py']

cell = (0.4, 1.4)
things = '{{$NUSCENES_ROOT:data/nuscenes}}/moved_things.npz'
model = dict(
    type='PlanePrediction',
    encoder=dict(
        type='DetectorEncoder',
        detector='mmdet3d::centerpoint/centerpoint_voxel01_second_secfpn_8xb4-cyclic-20e_nus-3d.py',
        feature='0',  # the neck's only level, (B, 512, 128, 128)
    ),
    in_channels=512,
    heads=dict(motion=dict(type='MotionHead')),
    share=0.0,  # nothing is hidden
)
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        align_poses=True,
        pipeline=dict(
            # Single scans, as in `centerpoint_voxel_nuscenes_pretrain.py`.
            load=[dict(type='LoadFrame', coord_type='LIDAR', load_dim=5, use_dim=4, time_lag=True)],
            pair=[
                dict(type='MarkMoved', cell=cell),
                dict(type='PasteMoved', things=things, number=12, cell=cell),
            ],
            augment=_base_.lidar_view_transform,
            pack=[
                dict(type='PointsRangeFilter'),
                dict(type='PointShuffle'),
                dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask', 'pts_instance_mask']),
            ],
        ),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=3e-3), clip_grad=dict(max_norm=10))
train_cfg = dict(max_epochs=10)
# There is no target network, and there are no projections.
default_hooks = dict(target=None, collapse=None)
