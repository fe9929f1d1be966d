"""DGCNN on S3DIS, one area to Area 6, from a pre-trained encoder: the paper's fine-tuning (Tab. 4)."""

_base_ = './dgcnn_s3dis_scratch.py'

work_dir = f'work_dirs/dgcnn_s3dis_from_strl_area{_base_.train_area}'
load_from = 'work_dirs/dgcnn_seg_scannet_pretrain/encoder.pth'
custom_hooks = [dict(type='VerifyLoadHook')]
