"""DGCNN on labelled shapes, from a pre-trained trunk; the linear probe's config too."""

_base_ = './dgcnn_shapes_scratch.py'

load_from = 'work_dirs/dgcnn_shapenet_pretrain/encoder.pth'
custom_hooks = [dict(type='VerifyLoadHook')]
