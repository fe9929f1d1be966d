"""Dense STRL: VoteNet's backbone learns from regions of ScanNet's frames, read among its seeds, with negatives. Ours.

A small VoteNet gained by it on simulated rooms (docs/study.md). The negatives are those of
`configs/study/dense_infonce.py`.
"""

_base_ = './votenet_scannet_pretrain.py'

model = dict(encoder=dict(pool=dict(type='PointRegions', places='fp_xyz.-1', radius=0.3)), contrast=0.2)
train_dataloader = dict(
    dataset=dict(
        window=3,  # neighbouring key frames: both must have seen the places
        pipeline=dict(
            # A floor is level, so it is looked for in columns as large as a room.
            pair=[dict(type='DrawRegions', count=48, cell=(0.3, 0.3, 0.3), ground_cell=10.0, ground_height=0.1)],
            pack=[
                dict(type='DownSamplePoints', num_points=_base_.num_points),
                dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d']),
            ],
        ),
    ),
)
# A camera turns away within a key frame's 100 images; a pair without a common region is replaced.
default_hooks = dict(unusable_frames=dict(max_share=0.3))
