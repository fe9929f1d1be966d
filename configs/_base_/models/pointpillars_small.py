"""PointPillars made small enough for studies on a CPU: half of each side of the range, pillars of 0.32 m, a
half to a quarter of the channels.

What it changes in mmdet3d's model, for pre-training and fine-tuning alike. All numbers are our choice.
"""

small_range = [0, -16.64, -3, 33.28, 16.64, 1]  # 104 x 104 pillars, which three strides of 2 divide
_voxel_size = [0.32, 0.32, 4]

small_pointpillars = dict(
    # With 12 points a pillar instead of 32, a training step takes about half as long: most of it was empty places.
    data_preprocessor=dict(voxel_layer=dict(point_cloud_range=small_range, voxel_size=_voxel_size, max_num_points=12)),
    voxel_encoder=dict(feat_channels=[32], point_cloud_range=small_range, voxel_size=_voxel_size),
    middle_encoder=dict(in_channels=32, output_shape=[104, 104]),
    backbone=dict(in_channels=32, out_channels=[32, 48, 64]),
    neck=dict(in_channels=[32, 48, 64], out_channels=[32, 32, 32]),
    bbox_head=dict(
        in_channels=96,
        feat_channels=96,
        anchor_generator=dict(
            ranges=[[0, -16.64, z, 33.28, 16.64, z] for z in (-0.6, -0.6, -1.78)],
        ),
    ),
)
