"""PV-RCNN on KITTI on a frozen pre-trained 3D backbone, its BatchNorm statistics included."""

_base_ = './pvrcnn_kitti_from_strl.py'

custom_hooks = [dict(type='VerifyLoadHook'), dict(type='FreezeHook', modules=['voxel_encoder', 'middle_encoder'])]
# The distributed wrapper is made before the hook freezes anything.
find_unused_parameters = True
