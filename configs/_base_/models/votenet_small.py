"""VoteNet made small enough for studies on a CPU: 5000 points, 512 and fewer places, a quarter of the channels.

What it changes in mmdet3d's model, for pre-training and fine-tuning alike. All numbers are our choice.
"""

small_points = 5000

small_votenet = dict(
    backbone=dict(
        in_channels=3,  # geometry only
        num_points=(512, 256, 128, 64),
        num_samples=(32, 16, 16, 16),
        sa_channels=((16, 16, 32), (32, 32, 64), (32, 32, 64), (32, 32, 64)),
        fp_channels=((64, 64), (64, 64)),
    ),
    bbox_head=dict(
        vote_module_cfg=dict(in_channels=64, conv_channels=(64, 64)),
        vote_aggregation_cfg=dict(num_point=64, mlp_channels=[64, 64, 64, 64]),
        pred_layer_cfg=dict(in_channels=64, shared_conv_channels=(64, 64)),
    ),
)
