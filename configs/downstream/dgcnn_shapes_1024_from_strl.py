"""DGCNN's own setting, 1024 points and 20 neighbours, from the trunk pre-trained on small data; the probe's config too."""

_base_ = './dgcnn_shapes_from_strl.py'

model = dict(backbone=dict(k=20))
of_1024 = [dict(_base_.pack[0], num_points=1024), _base_.pack[1]]
train_dataloader = dict(dataset=dict(pipeline=[*_base_.train_dataloader.dataset.pipeline[:-2], *of_1024]))
test_dataloader = dict(dataset=dict(pipeline=[*_base_.load, *of_1024]))
val_dataloader = test_dataloader
load_from = 'work_dirs/dgcnn_shapenet_pretrain_small_data/encoder.pth'
