"""PV-RCNN on KITTI from a pre-trained encoder: one line more than from scratch, and the check that all of it arrives."""

_base_ = './pvrcnn_kitti_scratch.py'

load_from = 'work_dirs/pvrcnn_kitti_pretrain/encoder.pth'
custom_hooks = [dict(type='VerifyLoadHook')]
