"""Dense STRL on two views of one frame, without time: what the temporal pair adds."""

_base_ = ['./dense_byol.py']

train_dataloader = dict(dataset=dict(mode='spatial'))
