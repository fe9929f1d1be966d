"""mmdet3d's DGCNN segmentation trunk pre-trained on the RGB-D walks of ScanNet, XYZ only (paper, Tab. 4).

The trunk is mmdet3d's stock one, with neighbours in feature space as DGCNN has them: see `FeatureKNNDGCNN`, which has
the stock trunk's parameters.
"""

_base_ = './votenet_scannet_pretrain.py'

model = dict(
    encoder=dict(
        detector='mmdet3d::dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5.py',
        override={'backbone.type': 'FeatureKNNDGCNN', 'backbone.in_channels': 3},
        feature='pooled',  # (B, 1024), the maximum over all points behind the last convolution
    ),
    projector=dict(in_channels=1024),
)
# The rate of the released code, which is Adam's; LARS at this rate would not move.
optim_wrapper = dict(optimizer=dict(_delete_=True, type='Adam', lr=2e-4))
pack = [dict(type='DownSamplePoints', num_points=4096), dict(type='Pack3DDetInputs', keys=['points'])]
train_dataloader = dict(dataset=dict(pipeline=dict(augment=_base_.depth_augmentation, pack=pack)))
