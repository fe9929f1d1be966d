"""Pairs of depth frames from the RGB-D walks of ScanNet.

Data: $SCANNET_FRAMES_ROOT (scannet_frames_25k, or folders extracted from .sens), with an index by
`tools/create_sequence_index.py scannet --root $SCANNET_FRAMES_ROOT --out $SCANNET_FRAMES_ROOT/sequences.json`; key frames
are every 100th frame of a walk, which is what scannet_frames_25k holds. Without it, the simulated rooms of
`tools/simulate_data.py scannet`.
"""

_base_ = ['./pairs.py']

train_dataloader = dict(
    dataset=dict(
        data_root='{{$SCANNET_FRAMES_ROOT:data/scannet_sim/frames}}',
        align_poses=True,  # world axes, with the centre of the first view's camera as the origin
        pipeline=dict(load=[dict(type='LoadDepthFrame')]),
    ),
)
