"""What the arms of the study share, so that they differ in one thing: data, views, detector, optimizer, length.

The small PointPillars, drives aligned by their poses, scans cut to the camera's field of view, AdamW. All our choice;
batch, rate and clipping are those of the recipe that gained, `configs/strl/pointpillars_kitti_small_pretrain_motion.py`.
"""

_base_ = [
    '../_base_/datasets/kitti_pairs.py',
    '../_base_/augmentations/strl_scans.py',
    '../_base_/recipes/strl_adamw.py',
    '../_base_/models/pointpillars_small.py',
]

model = dict(
    encoder=dict(
        type='DetectorEncoder',
        detector='mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        override=_base_.small_pointpillars,
        feature='0',  # the neck's only level, (B, 96, 52, 52)
    )
)
stages = _base_.train_dataloader.dataset.pipeline
views = dict(
    stages,
    load=[*stages['load'], *_base_.scan_load],
    augment=[*_base_.scan_density, *_base_.lidar_view_transform, *_base_.scan_crop],
)
# Two runs at once use two cores best without workers.
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(align_poses=True, point_cloud_range=_base_.small_range, pipeline=[*_base_.scan_pair, views]),
)
optim_wrapper = dict(optimizer=dict(lr=3e-3), clip_grad=dict(max_norm=10))
# 1248 steps on the 208 drives of docs/study.md. The warm-up is a fifth of the run, as in that recipe.
train_cfg = dict(max_epochs=3)
param_scheduler = [dict(scheduler, warmup=0.6) for scheduler in _base_.param_scheduler]
