"""DGCNN on S3DIS, from scratch, as in the paper (Tab. 4): trained on one area, tested on Area 6, XYZ only.

Data: $S3DIS_ROOT (data/s3dis without it), prepared by mmdet3d's `create_data.py s3dis`. The area to train on is
$S3DIS_TRAIN_AREA, 1 to 5, 1 without it; each has its own work directory:

    for area in 1 2 3 4 5; do
        S3DIS_TRAIN_AREA=$area python tools/train.py configs/downstream/dgcnn_s3dis_scratch.py
    done

Blocks of 1 m x 1 m and 4096 points are the stock config's, and so is that the last epoch is the result: none is chosen on
Area 6. Without colours and coordinates in the room, the first graph is that of the points in their block.
`FeatureKNNDGCNN` is the stock trunk with its other two graphs mended; for the trunk as it is,
`--cfg-options model.backbone.type=DGCNNBackbone`.
"""

_base_ = ['mmdet3d::dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area6.py']

custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)

train_area = '{{$S3DIS_TRAIN_AREA:1}}'
work_dir = f'work_dirs/dgcnn_s3dis_scratch_area{train_area}'

model = dict(
    backbone=dict(type='FeatureKNNDGCNN', in_channels=3),
    test_cfg=dict(use_normalized_coord=False),
)

train_pipeline = [step for step in _base_.train_pipeline if step.type != 'NormalizePointsColor']
test_pipeline = [step for step in _base_.test_pipeline if step.type != 'NormalizePointsColor']
eval_pipeline = [step for step in _base_.eval_pipeline if step.type != 'NormalizePointsColor']
tta_pipeline = [step for step in _base_.tta_pipeline if step.type != 'NormalizePointsColor']
for step in [*train_pipeline, *test_pipeline, *eval_pipeline, *tta_pipeline]:
    if step.type == 'LoadPointsFromFile':
        step.update(use_color=False, use_dim=[0, 1, 2])
    if step.type == 'IndoorPatchPointSample':
        step.update(use_normalized_coord=False)
del step

data_root = '{{$S3DIS_ROOT:data/s3dis}}/'
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_files=[f's3dis_infos_Area_{train_area}.pkl'],
        scene_idxs=[f'seg_info/Area_{train_area}_resampled_scene_idxs.npy'],
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
