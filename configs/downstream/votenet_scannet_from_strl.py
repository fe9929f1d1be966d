"""VoteNet on ScanNet, geometry only, from a pre-trained encoder: the paper's fine-tuning."""

_base_ = './votenet_scannet_scratch.py'

load_from = 'work_dirs/votenet_scannet_pretrain/encoder.pth'
custom_hooks = [dict(type='VerifyLoadHook')]
