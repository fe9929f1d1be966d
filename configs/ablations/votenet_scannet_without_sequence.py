"""VoteNet's backbone pre-trained on single frames of ScanNet, without the natural sequence (paper, Tab. 7b)."""

_base_ = '../strl/votenet_scannet_pretrain.py'

train_dataloader = dict(dataset=dict(mode='spatial'))  # both views show the same frame
