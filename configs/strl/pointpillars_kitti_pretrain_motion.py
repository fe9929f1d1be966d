r"""PointPillars' whole trunk pre-trained by what has moved, with more things that move pasted in. Ours.

Of our recipes the one that a fine-tuned detector was seen to gain by: docs/study.md. It needs drives with poses, and
the things that move in them, collected once:

    python tools/collect_moved_things.py configs/strl/pointpillars_kitti_pretrain_motion.py \
        --out $KITTI_RAW_ROOT/moved_things.npz
"""

_base_ = [
    '../_base_/datasets/kitti_pairs.py',
    '../_base_/augmentations/strl_scans.py',
    '../_base_/recipes/strl_adamw.py',
]

model = dict(
    type='PlanePrediction',
    encoder=dict(
        type='DetectorEncoder',
        detector='mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        feature='0',  # the neck's only level, (B, 384, 248, 216)
    ),
    in_channels=384,
    heads=dict(motion=dict(type='MotionHead')),
    share=0.0,  # nothing is hidden
)
things = '{{$KITTI_RAW_ROOT:data/kitti_sim/raw}}/moved_things.npz'
stages = _base_.train_dataloader.dataset.pipeline
views = dict(
    stages,
    load=[*stages['load'], *_base_.scan_load],
    pair=[dict(type='MarkMoved'), dict(type='PasteMoved', things=things, number=12)],
    # The head compares no places of the two views, so they are turned, flipped and scaled as in the detector's training.
    augment=_base_.lidar_view_transform,
    pack=[
        dict(type='PointsRangeFilter'),
        dict(type='PointShuffle'),
        dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask', 'pts_instance_mask']),
    ],
)
# Both views of a pair are learned from, so 4 pairs are a batch of 8 scans. Batch, rate and clipping are those of the run
# that was measured.
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        align_poses=True,
        point_cloud_range=[0, -39.68, -3, 69.12, 39.68, 1],
        pipeline=[*_base_.scan_pair, views],
    ),
)
optim_wrapper = dict(optimizer=dict(lr=3e-3), clip_grad=dict(max_norm=10))
train_cfg = dict(max_epochs=10)
# There is no target network, and there are no projections.
default_hooks = dict(target=None, collapse=None)
