"""VoteNet on ScanNet with the height channel, from an encoder that was pre-trained with it."""

_base_ = './votenet_scannet_height_scratch.py'

load_from = 'work_dirs/votenet_scannet_height_pretrain/encoder.pth'
custom_hooks = [dict(type='VerifyLoadHook')]
