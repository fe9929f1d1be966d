"""PointNet on labelled shapes, from a pre-trained trunk; the linear probe's config too."""

_base_ = './pointnet_shapes_scratch.py'

load_from = 'work_dirs/pointnet_shapenet_pretrain/encoder.pth'
custom_hooks = [dict(type='VerifyLoadHook')]
