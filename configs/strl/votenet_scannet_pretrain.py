"""VoteNet's backbone pre-trained on the RGB-D walks of ScanNet, geometry only (paper, Tab. 3).

Data: $SCANNET_FRAMES_ROOT (scannet_frames_25k, or folders extracted from .sens), with an index by
`tools/create_sequence_index.py scannet --root $SCANNET_FRAMES_ROOT --out $SCANNET_FRAMES_ROOT/sequences.json`; key frames
are every 100th frame of a walk, which is what scannet_frames_25k holds. Without it, the simulated rooms of
`tools/simulate_data.py scannet`.
"""

_base_ = ['../_base_/recipes/strl_paper.py', '../_base_/pretrain_runtime.py']

model = dict(
    type='STRL',
    encoder=dict(
        type='DetectorEncoder',
        detector='mmdet3d::votenet/votenet_8xb16_sunrgbd-3d.py',
        override={'backbone.in_channels': 3},
        feature='fp_features.-1',  # (B, 256, 1024), the seeds of the last feature propagation
        pool='max',
    ),
    projector=dict(type='ProjectionMLP', in_channels=256),
    predictor=dict(type='ProjectionMLP', in_channels=256),
)

load_frame = dict(type='LoadDepthFrame')
num_points = 20000  # the input size of the stock SUN RGB-D config
# The paper's views of depth frames. Points that the down-sampling would take away are dropped ahead of the jitter.
augment = [
    *_base_.view_transform,
    *_base_.crop_and_cutout,
    dict(_base_.drop_out, at_most=num_points),
    _base_.jitter,
]

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='PairSampler'),
    collate_fn=dict(type='collate_pairs'),
    dataset=dict(
        type='TemporalPairDataset',
        data_root='{{$SCANNET_FRAMES_ROOT:data/scannet_sim/frames}}',
        ann_file='sequences.json',
        mode='both',
        # World axes, with the centre of the first view's camera as the origin.
        align_poses=True,
        pipeline=[
            dict(
                type='MultiView',
                load=[load_frame],
                augment=augment,
                pack=[
                    dict(type='DownSamplePoints', num_points=num_points),
                    dict(type='Pack3DDetInputs', keys=['points']),
                ],
            )
        ],
    ),
)
